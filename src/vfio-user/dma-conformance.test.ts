/**
 * What the server answers to the messages of DMA, interrupts and coalesced writes, good and bad; and what it makes of
 * a client's answers to its own commands, which need not be true either.
 */

import assert from "node:assert/strict";
import { constants } from "node:os";
import { afterEach, describe, it } from "node:test";
import { VFIO_IRQ_SET, VFIO_PCI_MSIX_IRQ_INDEX } from "../device/vfio-abi.ts";
import { EFD_CLOEXEC, EFD_NONBLOCK, MFD_CLOEXEC } from "../memory/constants.ts";
import { linux } from "../memory/libc.ts";
import { BUFFER, encodeOrder, FETCH, ORDER_SIZE, STORE } from "./dma-device.fixture.ts";
import {
  VFIO_DMA_UNMAP_FLAG_ALL,
  VFIO_USER_DEVICE_GET_REGION_IO_FDS,
  VFIO_USER_DEVICE_RESET,
  VFIO_USER_DEVICE_SET_IRQS,
  VFIO_USER_DMA_MAP,
  VFIO_USER_DMA_MAP_REQUEST,
  VFIO_USER_DMA_READ,
  VFIO_USER_DMA_REGION_ACCESS,
  VFIO_USER_DMA_UNMAP,
  VFIO_USER_DMA_UNMAP_REQUEST,
  VFIO_USER_DMA_WRITE,
  VFIO_USER_F_ERROR,
  VFIO_USER_F_NO_REPLY,
  VFIO_USER_F_TYPE_REPLY,
  VFIO_USER_REGION_ACCESS,
  VFIO_USER_REGION_IO_FDS,
  VFIO_USER_REGION_READ,
  VFIO_USER_REGION_WRITE,
  VFIO_USER_REGION_WRITE_MULTI,
  VFIO_USER_WRITE_MULTI_ENTRY,
  VFIO_USER_WRITE_MULTI_HEAD,
} from "./protocol.ts";
import { encodeMessage, encodeReply, RawPeer, type ReceivedReply } from "./raw-peer.fixture.ts";
import { servedSocket } from "./served-socket.fixture.ts";

const { EEXIST, EINVAL, EIO, ENOTTY } = constants.errno;
const PAGE = 4096;
const socket = servedSocket("dma-device.fixture.ts");

const peers: RawPeer[] = [];
const fds: number[] = [];
afterEach(() => {
  for (const peer of peers.splice(0)) peer.close();
  for (const fd of fds.splice(0)) linux.close(fd);
});

function open(): RawPeer {
  const peer = RawPeer.negotiated(socket);
  peers.push(peer);
  return peer;
}

function kept(fd: number): number {
  fds.push(fd);
  return fd;
}

function memfd(size = PAGE): number {
  const fd = kept(linux.memfd_create("dma", MFD_CLOEXEC));
  linux.ftruncate(fd, size);
  return fd;
}

function eventfd(): number {
  return kept(linux.eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
}

type MapFields = Parameters<typeof VFIO_USER_DMA_MAP_REQUEST.encode>[0];

function mapRequest(change: MapFields = {}): Uint8Array {
  return VFIO_USER_DMA_MAP_REQUEST.encode({ argsz: 32, flags: 3, addr: 0n, size: BigInt(PAGE), ...change });
}

function unmapRequest(change: Parameters<typeof VFIO_USER_DMA_UNMAP_REQUEST.encode>[0] = {}): Uint8Array {
  return VFIO_USER_DMA_UNMAP_REQUEST.encode({ argsz: 24, addr: 0n, size: BigInt(PAGE), ...change });
}

function irqRequest(
  flags: number,
  start: number,
  count: number,
  data = new Uint8Array(0),
  argsz = 20,
): Uint8Array {
  const payload = VFIO_IRQ_SET.encode(
    { argsz, flags, index: VFIO_PCI_MSIX_IRQ_INDEX, start, count },
    data.length,
  );
  payload.set(data, VFIO_IRQ_SET.size);
  return payload;
}

const EVENTFD_TRIGGER = (1 << 2) | (1 << 5);
const NONE_TRIGGER = (1 << 0) | (1 << 5);
const BOOL_TRIGGER = (1 << 1) | (1 << 5);
const MASK_EVENTFD = (1 << 2) | (1 << 3);

function multi(
  entries: readonly Parameters<typeof VFIO_USER_WRITE_MULTI_ENTRY.encode>[0][],
  count = entries.length,
): Uint8Array {
  return Buffer.concat([
    VFIO_USER_WRITE_MULTI_HEAD.encode({ wr_cnt: BigInt(count) }),
    ...entries.map((entry) => VFIO_USER_WRITE_MULTI_ENTRY.encode(entry)),
  ]);
}

const ioFds = (change: object = {}): Uint8Array => VFIO_USER_REGION_IO_FDS.encode({ argsz: 16, ...change });
const one = { offset: BigInt(BUFFER), region: 0, count: 2, data: 0xbbaan };

/** A request, the descriptors with it, and the errno of its reply. */
const cases: [string, number, () => Uint8Array, () => number[], number][] = [
  ["a DMA map without a file", VFIO_USER_DMA_MAP, mapRequest, () => [], 0],
  ["a DMA map with a file", VFIO_USER_DMA_MAP, mapRequest, () => [memfd()], 0],
  ["a DMA map that says how", VFIO_USER_DMA_MAP, () => mapRequest({ flags: 0xb }), () => [memfd()], 0],
  [
    "a DMA map that says how, without a file",
    VFIO_USER_DMA_MAP,
    () => mapRequest({ flags: 7 }),
    () => [],
    EINVAL,
  ],
  ["a DMA map with two files", VFIO_USER_DMA_MAP, mapRequest, () => [memfd(), memfd()], EINVAL],
  ["a DMA map with an eventfd", VFIO_USER_DMA_MAP, mapRequest, () => [eventfd()], EINVAL],
  ["a DMA map of a file too short", VFIO_USER_DMA_MAP, mapRequest, () => [memfd(PAGE - 1)], EINVAL],
  ["a DMA map with unknown flags", VFIO_USER_DMA_MAP, () => mapRequest({ flags: 0x13 }), () => [], EINVAL],
  ["a DMA map of nothing", VFIO_USER_DMA_MAP, () => mapRequest({ size: 0n }), () => [], EINVAL],
  [
    "a DMA map that wraps",
    VFIO_USER_DMA_MAP,
    () => mapRequest({ addr: (1n << 64n) - 4096n, size: 8192n }),
    () => [],
    EINVAL,
  ],
  [
    "a DMA map of 2^64 − 4096",
    VFIO_USER_DMA_MAP,
    () => mapRequest({ size: (1n << 64n) - 4096n }),
    () => [],
    EINVAL,
  ],
  ["a DMA map off a page", VFIO_USER_DMA_MAP, () => mapRequest({ addr: 1n }), () => [], EINVAL],
  [
    "a DMA map with an offset and no file",
    VFIO_USER_DMA_MAP,
    () => mapRequest({ offset: 4096n }),
    () => [],
    EINVAL,
  ],
  ["a DMA map with a small argsz", VFIO_USER_DMA_MAP, () => mapRequest({ argsz: 31 }), () => [], EINVAL],
  ["a DMA map a byte short", VFIO_USER_DMA_MAP, () => mapRequest().subarray(1), () => [], EINVAL],
  [
    "a DMA map a byte long",
    VFIO_USER_DMA_MAP,
    () => Buffer.concat([mapRequest(), new Uint8Array(1)]),
    () => [],
    0,
  ],
  ["a DMA unmap of what is not mapped", VFIO_USER_DMA_UNMAP, unmapRequest, () => [], 0],
  [
    "a DMA unmap of all",
    VFIO_USER_DMA_UNMAP,
    () => unmapRequest({ flags: VFIO_DMA_UNMAP_FLAG_ALL, size: 0n }),
    () => [],
    0,
  ],
  [
    "a DMA unmap of all with a size",
    VFIO_USER_DMA_UNMAP,
    () => unmapRequest({ flags: VFIO_DMA_UNMAP_FLAG_ALL }),
    () => [],
    EINVAL,
  ],
  [
    "a DMA unmap with a dirty bitmap",
    VFIO_USER_DMA_UNMAP,
    () => unmapRequest({ flags: 1 }),
    () => [],
    EINVAL,
  ],
  [
    "a DMA unmap with a small argsz",
    VFIO_USER_DMA_UNMAP,
    () => unmapRequest({ argsz: 23 }),
    () => [],
    EINVAL,
  ],
  ["a DMA unmap a byte short", VFIO_USER_DMA_UNMAP, () => unmapRequest().subarray(1), () => [], EINVAL],
  [
    "a DMA unmap a byte long",
    VFIO_USER_DMA_UNMAP,
    () => Buffer.concat([unmapRequest(), new Uint8Array(1)]),
    () => [],
    0,
  ],
  ["a DMA unmap with a descriptor", VFIO_USER_DMA_UNMAP, unmapRequest, () => [memfd()], EINVAL],
  ["an eventfd", VFIO_USER_DEVICE_SET_IRQS, () => irqRequest(EVENTFD_TRIGGER, 0, 1), () => [eventfd()], 0],
  [
    "no eventfd, which takes it away",
    VFIO_USER_DEVICE_SET_IRQS,
    () => irqRequest(EVENTFD_TRIGGER, 0, 8),
    () => [],
    0,
  ],
  [
    "too few eventfds",
    VFIO_USER_DEVICE_SET_IRQS,
    () => irqRequest(EVENTFD_TRIGGER, 0, 2),
    () => [eventfd()],
    EINVAL,
  ],
  [
    "too many eventfds",
    VFIO_USER_DEVICE_SET_IRQS,
    () => irqRequest(EVENTFD_TRIGGER, 0, 1),
    () => [eventfd(), eventfd()],
    EINVAL,
  ],
  [
    "a file where an eventfd is due",
    VFIO_USER_DEVICE_SET_IRQS,
    () => irqRequest(EVENTFD_TRIGGER, 0, 1),
    () => [memfd()],
    EINVAL,
  ],
  [
    "an eventfd for masking",
    VFIO_USER_DEVICE_SET_IRQS,
    () => irqRequest(MASK_EVENTFD, 0, 1),
    () => [eventfd()],
    ENOTTY,
  ],
  [
    "an eventfd with a trigger",
    VFIO_USER_DEVICE_SET_IRQS,
    () => irqRequest(NONE_TRIGGER, 0, 1),
    () => [eventfd()],
    EINVAL,
  ],
  ["a vector too high", VFIO_USER_DEVICE_SET_IRQS, () => irqRequest(NONE_TRIGGER, 8, 1), () => [], EINVAL],
  [
    "vectors that wrap",
    VFIO_USER_DEVICE_SET_IRQS,
    () => irqRequest(NONE_TRIGGER, 0xffff_ffff, 0xffff_ffff),
    () => [],
    EINVAL,
  ],
  [
    "booleans",
    VFIO_USER_DEVICE_SET_IRQS,
    () => irqRequest(BOOL_TRIGGER, 0, 2, Uint8Array.of(1, 0)),
    () => [],
    0,
  ],
  [
    "too few booleans",
    VFIO_USER_DEVICE_SET_IRQS,
    () => irqRequest(BOOL_TRIGGER, 0, 3, Uint8Array.of(1, 0)),
    () => [],
    EINVAL,
  ],
  [
    "a small argsz for interrupts",
    VFIO_USER_DEVICE_SET_IRQS,
    () => irqRequest(NONE_TRIGGER, 0, 1, new Uint8Array(0), 19),
    () => [],
    EINVAL,
  ],
  [
    "interrupts a byte short",
    VFIO_USER_DEVICE_SET_IRQS,
    () => irqRequest(NONE_TRIGGER, 0, 1).subarray(1),
    () => [],
    EINVAL,
  ],
  [
    "two writes at once",
    VFIO_USER_REGION_WRITE_MULTI,
    () => multi([one, { ...one, offset: BigInt(BUFFER + 2) }]),
    () => [],
    0,
  ],
  ["no writes at once", VFIO_USER_REGION_WRITE_MULTI, () => multi([]), () => [], 0],
  ["fewer writes than counted", VFIO_USER_REGION_WRITE_MULTI, () => multi([one], 2), () => [], EINVAL],
  ["2^64 − 1 writes", VFIO_USER_REGION_WRITE_MULTI, () => multi([one], -1), () => [], EINVAL],
  [
    "a write of 9 bytes among others",
    VFIO_USER_REGION_WRITE_MULTI,
    () => multi([{ ...one, count: 9 }]),
    () => [],
    EINVAL,
  ],
  [
    "a write outside among others",
    VFIO_USER_REGION_WRITE_MULTI,
    () => multi([{ ...one, offset: 0x4000n }]),
    () => [],
    EINVAL,
  ],
  ["region I/O descriptors", VFIO_USER_DEVICE_GET_REGION_IO_FDS, ioFds, () => [], 0],
  [
    "region I/O descriptors, a byte long",
    VFIO_USER_DEVICE_GET_REGION_IO_FDS,
    () => Buffer.concat([ioFds(), new Uint8Array(1)]),
    () => [],
    0,
  ],
  [
    "region I/O descriptors of no region",
    VFIO_USER_DEVICE_GET_REGION_IO_FDS,
    () => ioFds({ index: 9 }),
    () => [],
    EINVAL,
  ],
  [
    "region I/O descriptors with flags",
    VFIO_USER_DEVICE_GET_REGION_IO_FDS,
    () => ioFds({ flags: 1 }),
    () => [],
    EINVAL,
  ],
];

describe("the server's reply to", () => {
  for (const [what, command, payload, descriptors, errno] of cases) {
    it(what, () => {
      const peer = open();
      const reply = peer.ask(command, payload(), descriptors());
      assert.equal(reply?.errno, errno);
      assert.equal(
        peer.ask(VFIO_USER_DEVICE_RESET, new Uint8Array(0))?.errno,
        0,
        "the connection is still good",
      );
    });
  }

  it("a DMA map over another, and an unmap: the request itself", () => {
    const peer = open();
    assert.equal(peer.ask(VFIO_USER_DMA_MAP, mapRequest({ addr: 4096n, size: 8192n }))?.errno, 0);
    for (const change of [
      { addr: 0n, size: 8192n },
      { addr: 8192n },
      { addr: 0n, size: 16384n },
      { addr: 4096n, size: 8192n },
    ]) {
      assert.equal(peer.ask(VFIO_USER_DMA_MAP, mapRequest(change))?.errno, EEXIST);
    }
    const unmap = unmapRequest({ addr: 4096n, size: 8192n });
    assert.equal(peer.ask(VFIO_USER_DMA_UNMAP, unmapRequest({ addr: 4096n }))?.errno, EINVAL, "a part of it");
    assert.deepEqual(peer.ask(VFIO_USER_DMA_UNMAP, unmap)?.payload, unmap);
    assert.equal(
      peer.ask(VFIO_USER_DMA_MAP, mapRequest({ addr: 4096n, size: 8192n }))?.errno,
      0,
      "it is gone",
    );
  });

  it("writes at once: their count; and they are done, also when no reply is wanted", () => {
    const peer = open();
    const reply = peer.ask(
      VFIO_USER_REGION_WRITE_MULTI,
      multi([one, { ...one, offset: BigInt(BUFFER + 1) }]),
    );
    assert.deepEqual([...(reply?.payload ?? [])], [2, 0, 0, 0, 0, 0, 0, 0]);
    const later = multi([{ ...one, offset: BigInt(BUFFER + 3), data: 0xddccn }]);
    peer.send(
      encodeMessage({ command: VFIO_USER_REGION_WRITE_MULTI, flags: VFIO_USER_F_NO_REPLY, payload: later }),
    );
    const read = VFIO_USER_REGION_ACCESS.encode({ offset: BigInt(BUFFER), count: 5 });
    assert.deepEqual(
      [...(peer.ask(VFIO_USER_REGION_READ, read)?.payload.subarray(16) ?? [])],
      [0xaa, 0xaa, 0xbb, 0xcc, 0xdd],
    );
  });
});

/** Maps a page without a file and gives the order, which makes the device ask for it; returns the server's command. */
function ordered(peer: RawPeer, what: number): ReceivedReply {
  assert.equal(peer.ask(VFIO_USER_DMA_MAP, mapRequest())?.errno, 0);
  const access = VFIO_USER_REGION_ACCESS.encode({ offset: 0n, region: 0, count: ORDER_SIZE });
  const payload = Buffer.concat([access, encodeOrder(what, 0, 8n, 4)]);
  peer.send(encodeMessage({ id: 1, command: VFIO_USER_REGION_WRITE, payload }));
  const command = peer.receive();
  assert.ok(command !== null);
  assert.equal(command.command, what === FETCH ? VFIO_USER_DMA_READ : VFIO_USER_DMA_WRITE);
  assert.deepEqual([...command.payload.subarray(0, 16)], [8, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0]);
  return command;
}

function access(addr: bigint, count: bigint, extra: number): Uint8Array {
  return VFIO_USER_DMA_REGION_ACCESS.encode({ addr, count }, extra);
}

describe("the server, asking its client for memory,", () => {
  it("takes what it is given", () => {
    const peer = open();
    const { id, command } = ordered(peer, FETCH);
    peer.send(encodeReply({ id, command, payload: access(8n, 4n, 4).fill(7, 16) }));
    assert.equal(peer.receive()?.errno, 0);
  });

  it("takes a header alone for an answer to a write, as QEMU sends it", () => {
    const peer = open();
    const { id, command, payload } = ordered(peer, STORE);
    assert.equal(payload.length, 20);
    peer.send(encodeReply({ id, command }));
    assert.equal(peer.receive()?.errno, 0);
  });

  const lies: [string, Uint8Array][] = [
    ["another address", access(9n, 4n, 4)],
    ["another count", access(8n, 5n, 4)],
    ["too few bytes", access(8n, 4n, 3)],
    ["too many bytes", access(8n, 4n, 5)],
    ["no bytes", new Uint8Array(0)],
  ];
  for (const [what, payload] of lies) {
    it(`refuses an answer of ${what}, and goes on`, () => {
      const peer = open();
      const { id, command } = ordered(peer, FETCH);
      peer.send(encodeReply({ id, command, payload }));
      assert.equal(peer.receive()?.errno, EIO);
      assert.equal(peer.ask(VFIO_USER_DEVICE_RESET, new Uint8Array(0))?.errno, 0);
    });
  }

  it("gives a refusal on", () => {
    const peer = open();
    const { id, command } = ordered(peer, FETCH);
    const flags = VFIO_USER_F_TYPE_REPLY | VFIO_USER_F_ERROR;
    peer.send(encodeReply({ id, command, flags, errno: constants.errno.EFAULT }));
    assert.equal(peer.receive()?.errno, EIO);
  });

  it("carries out what the client sends meanwhile afterwards, in order", () => {
    const peer = open();
    const { id, command } = ordered(peer, FETCH);
    const read = VFIO_USER_REGION_ACCESS.encode({ offset: BigInt(BUFFER), count: 4 });
    for (let next = 10; next < 20; next += 1) {
      peer.send(encodeMessage({ id: next, command: VFIO_USER_REGION_READ, payload: read }));
    }
    peer.send(encodeReply({ id, command, payload: access(8n, 4n, 4).fill(7, 16) }));
    assert.equal(peer.receive()?.id, 1);
    for (let next = 10; next < 20; next += 1) {
      const reply = peer.receive();
      assert.equal(reply?.id, next);
      assert.deepEqual([...(reply?.payload.subarray(16) ?? [])], [7, 7, 7, 7]);
    }
  });

  it("hangs up on an answer to nothing, and on a client that floods instead of answering", () => {
    const stray = open();
    const { id, command } = ordered(stray, FETCH);
    stray.send(encodeReply({ id: id + 1, command, payload: access(8n, 4n, 4) }));
    stray.send(encodeReply({ id, command, payload: access(8n, 4n, 4) }));
    assert.equal(stray.receive()?.errno, 0, "the true answer counts");
    assert.equal(stray.receive()?.errno, EINVAL);
    assert.equal(stray.receive(), null);
    stray.close();
    peers.splice(0);

    const flooding = open();
    ordered(flooding, FETCH);
    const read = encodeMessage({
      command: VFIO_USER_REGION_READ,
      payload: VFIO_USER_REGION_ACCESS.encode({ count: 4 }),
    });
    assert.throws(() => {
      for (let sent = 0; sent < 2000; sent += 1) flooding.send(read);
    }, /EPIPE|ECONNRESET/);
  });

  it("lets go of a client that hangs up instead of answering, or says nothing", () => {
    for (let round = 0; round < 10; round += 1) {
      const peer = RawPeer.negotiated(socket);
      ordered(peer, FETCH);
      peer.close();
    }
    const silent = open();
    ordered(silent, FETCH);
    assert.equal(waitForHangUp(silent), true);
  });

  it("reads a file that has shrunk no further than it goes, and asks instead", () => {
    const peer = open();
    const fd = memfd();
    assert.equal(peer.ask(VFIO_USER_DMA_MAP, mapRequest(), [fd])?.errno, 0);
    linux.ftruncate(fd, 0);
    const write = VFIO_USER_REGION_ACCESS.encode({ offset: 0n, region: 0, count: ORDER_SIZE });
    const payload = Buffer.concat([write, encodeOrder(FETCH, 0, 8n, 4)]);
    peer.send(encodeMessage({ id: 1, command: VFIO_USER_REGION_WRITE, payload }));
    const command = peer.receive();
    assert.equal(command?.command, VFIO_USER_DMA_READ);
    peer.send(encodeReply({ id: command?.id ?? 0, command: VFIO_USER_DMA_READ, payload: access(8n, 4n, 4) }));
    assert.equal(peer.receive()?.errno, 0);
  });
});

/** Waits for the end of the stream, through the server's patience of 5 seconds. */
function waitForHangUp(peer: RawPeer): boolean {
  for (let tries = 0; tries < 6; tries += 1) {
    try {
      for (;;) if (peer.receive() === null) return true;
    } catch (error) {
      if (!(error instanceof Error) || error.message !== "silence") throw error;
    }
  }
  return false;
}
