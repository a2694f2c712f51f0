/**
 * What the server answers, message by message: for each command the good case and every kind of bad one. DMA, interrupts
 * and coalesced writes have files of their own: `dma-requests.test.ts`, `irq-requests.test.ts`, `region-requests.test.ts`.
 * The mirrored suite, a client facing bad replies, is `lying-server.test.ts`.
 */

import assert from "node:assert/strict";
import { constants } from "node:os";
import { describe, it } from "node:test";
import { VFIO_DEVICE_INFO, VFIO_IRQ_INFO, VFIO_REGION_INFO } from "../../device/transport/vfio-abi.ts";
import { EFD_CLOEXEC } from "../../system/constants.ts";
import { linux } from "../../system/libc.ts";
import { MEMORY, REGISTERS } from "./device.fixture.ts";
import {
  VFIO_USER_DEVICE_GET_INFO,
  VFIO_USER_DEVICE_GET_IRQ_INFO,
  VFIO_USER_DEVICE_GET_REGION_INFO,
  VFIO_USER_DEVICE_RESET,
  VFIO_USER_F_ERROR,
  VFIO_USER_F_NO_REPLY,
  VFIO_USER_F_TYPE_REPLY,
  VFIO_USER_REGION_ACCESS,
  VFIO_USER_REGION_READ,
  VFIO_USER_REGION_WRITE,
  VFIO_USER_VERSION,
} from "../wire/protocol.ts";
import { encodeMessage, versionPayload } from "../wire/raw-peer.fixture.ts";
import { rawPeers } from "../wire/raw-peers.fixture.ts";
import { OWN_CAPABILITIES } from "../wire/version.ts";
import { servedSocket } from "./served-socket.fixture.ts";

const { EINVAL, ENOSYS } = constants.errno;
const { connect, open, closeAll } = rawPeers(servedSocket("device.fixture.ts"));

function access(offset: bigint, region: number, count: number, data = 0): Uint8Array {
  return VFIO_USER_REGION_ACCESS.encode({ offset, region, count }, data);
}

/** A request, and what its reply must be: a payload's size, or an errno. */
interface Case {
  readonly what: string;
  readonly command: number;
  readonly payload: Uint8Array;
  readonly descriptors?: number;
  readonly errno?: number;
  readonly size?: number;
  readonly passed?: number;
}

const REGION_INFO_SIZE = 80;
const good: Case[] = [
  {
    what: "device info",
    command: VFIO_USER_DEVICE_GET_INFO,
    payload: VFIO_DEVICE_INFO.encode({ argsz: 16 }),
    size: 16,
  },
  {
    what: "region info with room for all",
    command: VFIO_USER_DEVICE_GET_REGION_INFO,
    payload: VFIO_REGION_INFO.encode({ argsz: 4096, index: MEMORY }),
    size: REGION_INFO_SIZE,
    passed: 1,
  },
  {
    what: "region info with room for the structure alone",
    command: VFIO_USER_DEVICE_GET_REGION_INFO,
    payload: VFIO_REGION_INFO.encode({ argsz: 32, index: MEMORY }),
    size: 32,
    passed: 0,
  },
  {
    what: "IRQ info",
    command: VFIO_USER_DEVICE_GET_IRQ_INFO,
    payload: VFIO_IRQ_INFO.encode({ argsz: 16 }),
    size: 16,
  },
  { what: "region read", command: VFIO_USER_REGION_READ, payload: access(0n, REGISTERS, 4), size: 20 },
  {
    what: "region read of nothing",
    command: VFIO_USER_REGION_READ,
    payload: access(0n, REGISTERS, 0),
    size: 16,
  },
  { what: "region write", command: VFIO_USER_REGION_WRITE, payload: access(0n, REGISTERS, 4, 4), size: 16 },
  { what: "reset", command: VFIO_USER_DEVICE_RESET, payload: new Uint8Array(0), size: 0 },
];

const outOfRange: Case[] = [
  [
    "an argsz below the structure",
    VFIO_USER_DEVICE_GET_INFO,
    VFIO_DEVICE_INFO.encode({ argsz: 15 }),
  ] as const,
  [
    "an argsz below the structure",
    VFIO_USER_DEVICE_GET_REGION_INFO,
    VFIO_REGION_INFO.encode({ argsz: 31 }),
  ] as const,
  [
    "an argsz below the structure",
    VFIO_USER_DEVICE_GET_IRQ_INFO,
    VFIO_IRQ_INFO.encode({ argsz: 15 }),
  ] as const,
  [
    "a region index too high",
    VFIO_USER_DEVICE_GET_REGION_INFO,
    VFIO_REGION_INFO.encode({ argsz: 32, index: 9 }),
  ] as const,
  [
    "a region index of 2^32−1",
    VFIO_USER_DEVICE_GET_REGION_INFO,
    VFIO_REGION_INFO.encode({ argsz: 32, index: 0xffff_ffff }),
  ] as const,
  [
    "an IRQ index too high",
    VFIO_USER_DEVICE_GET_IRQ_INFO,
    VFIO_IRQ_INFO.encode({ argsz: 16, index: 5 }),
  ] as const,
  ["a region that is not there", VFIO_USER_REGION_READ, access(0n, 9, 4)] as const,
  ["one byte too far", VFIO_USER_REGION_READ, access(0xffdn, REGISTERS, 4)] as const,
  ["an offset of 2^64−1", VFIO_USER_REGION_READ, access((1n << 64n) - 1n, REGISTERS, 4)] as const,
  ["an offset whose end wraps", VFIO_USER_REGION_READ, access((1n << 64n) - 4n, MEMORY, 8)] as const,
  ["more than max_data_xfer_size", VFIO_USER_REGION_READ, access(0n, MEMORY, (1 << 20) + 1)] as const,
  ["a count of 2^32−1", VFIO_USER_REGION_READ, access(0n, MEMORY, 0xffff_ffff)] as const,
  ["less data than it counts", VFIO_USER_REGION_WRITE, access(0n, REGISTERS, 4, 3)] as const,
  ["more data than it counts", VFIO_USER_REGION_WRITE, access(0n, REGISTERS, 4, 5)] as const,
  ["one byte too far", VFIO_USER_REGION_WRITE, access(0xffdn, REGISTERS, 4, 4)] as const,
].map(([what, command, payload]) => ({
  what: `command ${command}: ${what}`,
  command,
  payload,
  errno: EINVAL,
}));

const unknown: Case[] = [0, 14, 17, 99, 0xffff].map((command) => ({
  what: `unknown command ${command}`,
  command,
  payload: new Uint8Array(16),
  errno: ENOSYS,
}));

const sized = good.filter(({ what }) => !what.includes("nothing"));
/** Their requests begin with an `argsz`; libvfio-user's client sends them as long as the reply it has room for. */
const withArgsz: ReadonlySet<number> = new Set([
  VFIO_USER_DEVICE_GET_INFO,
  VFIO_USER_DEVICE_GET_REGION_INFO,
  VFIO_USER_DEVICE_GET_IRQ_INFO,
]);
const wrongSize: Case[] = [
  ...sized.map(({ payload, ...request }) => ({
    ...request,
    what: `${request.what}, a byte too long`,
    payload: Buffer.concat([payload, new Uint8Array(1)]),
    errno: withArgsz.has(request.command) ? 0 : EINVAL,
  })),
  ...sized
    .filter(({ payload }) => payload.length > 0)
    .map(({ what, command, payload }) => ({
      what: `${what}, a byte too short`,
      command,
      payload: payload.subarray(1),
      errno: EINVAL,
    })),
  {
    what: "region info, a request of the whole reply's length",
    command: VFIO_USER_DEVICE_GET_REGION_INFO,
    payload: VFIO_REGION_INFO.encode(
      { argsz: REGION_INFO_SIZE, index: MEMORY },
      REGION_INFO_SIZE - VFIO_REGION_INFO.size,
    ),
    size: REGION_INFO_SIZE,
    passed: 1,
  },
];

const strayDescriptors: Case[] = good.map(({ command, payload, what }) => ({
  command,
  payload,
  what: `${what}, with a descriptor`,
  descriptors: 1,
  errno: EINVAL,
}));

describe("the server's reply to", () => {
  for (const request of [...good, ...outOfRange, ...unknown, ...wrongSize, ...strayDescriptors]) {
    const { what, command, payload, descriptors = 0, errno = 0, size = 0, passed } = request;
    it(what, () => {
      const peer = open();
      const stray = Array.from({ length: descriptors }, () => linux.eventfd(0, EFD_CLOEXEC));
      const reply = peer.ask(command, payload, stray, 0xabcd);
      assert.ok(reply !== null);
      assert.equal(reply.id, 0xabcd);
      assert.equal(reply.command, command);
      assert.equal(reply.errno, errno);
      assert.equal(
        reply.flags,
        errno === 0 ? VFIO_USER_F_TYPE_REPLY : VFIO_USER_F_TYPE_REPLY | VFIO_USER_F_ERROR,
      );
      assert.equal(reply.payload.length, errno === 0 ? size : 0, "an error's reply is its header alone");
      if (passed !== undefined && errno === 0) assert.equal(reply.descriptors.length, passed);
      const alive = peer.ask(VFIO_USER_DEVICE_RESET, new Uint8Array(0));
      assert.equal(alive?.errno, 0, "the connection is still good");
      for (const fd of [...stray, ...reply.descriptors]) linux.close(fd);
    });
  }

  it("a version: the same major one, no higher minor one, a subset of the capabilities", () => {
    const peer = connect();
    const reply = peer.ask(VFIO_USER_VERSION, versionPayload({ max_msg_fds: 1 }));
    const text = Buffer.from(reply?.payload ?? []).toString();
    assert.equal(text.slice(4), '{"capabilities":{"max_msg_fds":16}}\0');
  });

  it("a command without a reply: none, and the next one's reply comes after it is done", () => {
    const peer = open();
    const write = access(8n, REGISTERS, 1, 1);
    write[16] = 77;
    peer.send(
      encodeMessage({ id: 1, command: VFIO_USER_REGION_WRITE, flags: VFIO_USER_F_NO_REPLY, payload: write }),
    );
    const bad = access(0xffffn, REGISTERS, 1, 1);
    peer.send(
      encodeMessage({ id: 2, command: VFIO_USER_REGION_WRITE, flags: VFIO_USER_F_NO_REPLY, payload: bad }),
    );
    const reply = peer.ask(VFIO_USER_REGION_READ, access(8n, REGISTERS, 1), [], 3);
    assert.equal(reply?.id, 3);
    assert.equal(reply?.payload[16], 77);
  });

  it("many commands at once: each its own, in order", () => {
    const peer = open();
    for (let id = 0; id < 100; id += 1) {
      peer.send(
        encodeMessage({ id, command: VFIO_USER_REGION_READ, payload: access(BigInt(id), REGISTERS, 4) }),
      );
    }
    for (let id = 0; id < 100; id += 1) assert.equal(peer.receive()?.id, id);
  });
});

describe("the server hangs up on", () => {
  const before: [string, Uint8Array, number[]][] = [
    ["any command before the version", encodeMessage({ command: VFIO_USER_DEVICE_RESET }), [EINVAL]],
    [
      "another major version",
      encodeMessage({ command: VFIO_USER_VERSION, payload: new Uint8Array([1, 0, 0, 0]) }),
      [EINVAL],
    ],
    [
      "a version cut short",
      encodeMessage({ command: VFIO_USER_VERSION, payload: new Uint8Array(3) }),
      [EINVAL],
    ],
    [
      "capabilities that are no JSON",
      encodeMessage({ command: VFIO_USER_VERSION, payload: Buffer.from("\0\0\0\0{\0") }),
      [EINVAL],
    ],
    [
      "a reply to nothing",
      encodeMessage({ command: VFIO_USER_VERSION, flags: VFIO_USER_F_TYPE_REPLY, payload: versionPayload() }),
      [EINVAL],
    ],
    ["a size below the header's", encodeMessage({ command: VFIO_USER_VERSION, size: 15 }), [EINVAL]],
    ["a size of 4 GiB", encodeMessage({ command: VFIO_USER_VERSION, size: 0xffff_ffff }), [EINVAL]],
  ];
  for (const [what, message, errnos] of before) {
    it(what, () => {
      const peer = connect();
      peer.send(message);
      for (const errno of errnos) assert.equal(peer.receive()?.errno, errno);
      assert.equal(peer.receive(), null);
      closeAll();
      assert.equal(open().ask(VFIO_USER_DEVICE_RESET, new Uint8Array(0))?.errno, 0);
    });
  }

  it("more descriptors with one message than it takes", () => {
    const peer = open();
    const eventfd = linux.eventfd(0, EFD_CLOEXEC);
    const message = encodeMessage({ command: VFIO_USER_DEVICE_RESET });
    peer.send(message, Array<number>(OWN_CAPABILITIES.max_msg_fds + 1).fill(eventfd));
    linux.close(eventfd);
    assert.equal(peer.receive()?.errno, EINVAL);
    assert.equal(peer.receive(), null);
  });

  it("a second version", () => {
    const peer = open();
    assert.equal(peer.ask(VFIO_USER_VERSION, versionPayload())?.errno, EINVAL);
    assert.equal(peer.receive(), null);
  });
});
