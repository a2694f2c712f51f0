/** Region I/O descriptors: what the server answers, and that a kick arrives. */

import assert from "node:assert/strict";
import { constants } from "node:os";
import { afterEach, describe, it } from "node:test";
import { Device } from "../device/device.ts";
import { signalEventfd } from "../system/eventfd-signals.ts";
import { F_DUPFD_CLOEXEC } from "../system/constants.ts";
import { linux } from "../system/libc.ts";
import { connectVfioUser } from "./client/client.ts";
import type { IoEventFd } from "./server/parts/region-description.ts";
import { KICKS, MANY, SIZE } from "./server/kicked-device.fixture.ts";
import {
  VFIO_USER_DEVICE_GET_REGION_IO_FDS,
  VFIO_USER_F_ERROR,
  VFIO_USER_F_TYPE_REPLY,
  VFIO_USER_REGION_IO_FDS,
  VFIO_USER_SUB_REGION_IOEVENTFD,
  VFIO_USER_VERSION,
} from "./wire/protocol.ts";
import { versionPayload, type ReceivedReply } from "./wire/raw-peer.fixture.ts";
import { rawPeers } from "./wire/raw-peers.fixture.ts";
import { openDescriptors } from "../system/descriptors.fixture.ts";
import { servedSocket } from "./server/served-socket.fixture.ts";
import { serveDevice } from "./server/server.ts";

const { EINVAL } = constants.errno;
const HEAD = VFIO_USER_REGION_IO_FDS;
const ENTRY = VFIO_USER_SUB_REGION_IOEVENTFD;
const socket = servedSocket("kicked-device.fixture.ts");
const { connect, closeAll } = rawPeers(socket);

function ask(request: object, capabilities: object = { max_msg_fds: 16 }): ReceivedReply {
  closeAll();
  const peer = connect();
  assert.equal(peer.ask(VFIO_USER_VERSION, versionPayload(capabilities))?.errno, 0);
  const reply = peer.ask(VFIO_USER_DEVICE_GET_REGION_IO_FDS, HEAD.encode({ argsz: 4096, ...request }));
  assert.ok(reply !== null);
  for (const fd of reply.descriptors) linux.close(fd);
  return reply;
}

describe("the server's answer about ioeventfds", () => {
  it("lists them in their author's order, each with a descriptor", () => {
    const { payload, descriptors, errno } = ask({ index: 0 });
    assert.equal(errno, 0);
    assert.deepEqual(HEAD.decode(payload), { argsz: 16 + 3 * 40, flags: 0, index: 0, count: 3 });
    assert.equal(payload.length, 16 + 3 * 40);
    assert.equal(descriptors.length, 3);
    const common = { type: 0, padding: 0 };
    assert.deepEqual(
      [0, 1, 2].map((number) => ENTRY.decode(payload, 16 + 40 * number)),
      [
        { ...common, offset: 0x100n, size: 4n, fd_index: 0, flags: 0, datamatch: 0n },
        { ...common, offset: 0x108n, size: 2n, fd_index: 1, flags: 1, datamatch: 0xbeefn },
        { ...common, offset: 0x110n, size: 0n, fd_index: 2, flags: 0, datamatch: 0n },
      ],
    );
  });

  it("tells how much room it needs where there is too little, and passes nothing along", () => {
    for (const argsz of [16, 17, 16 + 3 * 40 - 1]) {
      const { payload, descriptors } = ask({ index: 0, argsz });
      assert.deepEqual(HEAD.decode(payload), { argsz: 16 + 3 * 40, flags: 0, index: 0, count: 3 });
      assert.equal(payload.length, 16);
      assert.equal(descriptors.length, 0);
    }
    assert.equal(ask({ index: 0, argsz: 16 + 3 * 40 }).descriptors.length, 3, "just enough");
  });

  it("lists no more than the client takes descriptors", () => {
    assert.equal(ask({ index: MANY }).descriptors.length, 16);
    for (const max_msg_fds of [0, 1, 5]) {
      const { payload, descriptors } = ask({ index: MANY }, { max_msg_fds });
      assert.equal(HEAD.decode(payload).count, max_msg_fds);
      assert.equal(descriptors.length, max_msg_fds);
    }
  });

  it("is an empty list for a region without any, and for one that is not there", () => {
    for (const index of [7, 8, 1]) {
      const { payload, errno } = ask({ index });
      assert.equal(errno, 0);
      assert.deepEqual(HEAD.decode(payload), { argsz: 16, flags: 0, index, count: 0 });
    }
  });

  for (const [what, request] of [
    ["an argsz below the structure", { argsz: 15 }],
    ["an argsz of 0", { argsz: 0 }],
    ["a region index too high", { index: 9 }],
    ["a region index of 2^32−1", { index: 0xffff_ffff }],
    ["flags", { flags: 1 }],
    ["a count", { count: 1 }],
  ] as const) {
    it(`is EINVAL for ${what}`, () => {
      const { errno, flags, payload } = ask(request);
      assert.equal(errno, EINVAL);
      assert.equal(flags, VFIO_USER_F_TYPE_REPLY | VFIO_USER_F_ERROR);
      assert.equal(payload.length, 0);
    });
  }
});

describe("a kick", () => {
  const device = { current: null as Device | null };
  afterEach(() => {
    device.current?.close();
    device.current = null;
  });

  function open(): Device {
    device.current = new Device(connectVfioUser(socket), linux);
    return device.current;
  }

  function counter(opened: Device, number: number): number {
    const bytes = new Uint8Array(4);
    opened.region(0).read(4 * number, bytes);
    return new DataView(bytes.buffer).getUint32(0, true);
  }

  /** A signal and a request go different ways: asks until the count is there. */
  function awaitCount(opened: Device, number: number, expected: number): void {
    for (let tries = 0; counter(opened, number) !== expected && tries < 20_000; tries += 1);
    assert.equal(counter(opened, number), expected);
  }

  it("arrives by the eventfd, as often as it was given", () => {
    const opened = open();
    const { ioeventfds } = opened.region(0);
    assert.deepEqual(
      ioeventfds.map(({ offset, size, datamatch }) => ({ offset, size, datamatch })),
      [
        { offset: 0x100, size: 4, datamatch: null },
        { offset: 0x108, size: 2, datamatch: 0xbeefn },
        { offset: 0x110, size: 0, datamatch: null },
      ],
    );
    assert.equal(opened.region(0).ioeventfds, ioeventfds, "asked for once");
    for (const [number, ioeventfd] of ioeventfds.entries()) {
      const before = counter(opened, number);
      for (let times = 0; times < 1000; times += 1) ioeventfd.kick();
      awaitCount(opened, number, before + 1000);
    }
    opened.close();
    assert.throws(() => ioeventfds[0]?.kick(), { code: "ERR_CLOSED" });
  });

  it("arrives by a message too, from a client that knows nothing of eventfds", () => {
    const opened = open();
    const region = opened.region(0);
    const write = (offset: number, ...bytes: number[]) => region.write(offset, Uint8Array.from(bytes));
    const kept = (offset: number): number => {
      const byte = new Uint8Array(1);
      region.read(offset, byte);
      return byte[0] ?? 0;
    };
    const before = KICKS.map((_, number) => counter(opened, number));
    write(0x100, 1, 2, 3, 4);
    write(0x108, 0xef, 0xbe);
    write(0x110, 1);
    write(0x110, 1, 2, 3);
    assert.deepEqual(
      KICKS.map((_, number) => counter(opened, number) - (before[number] ?? 0)),
      [1, 1, 2],
    );
    assert.equal(kept(0x100), 0, "what kicks is not written");
    write(0x100, 1, 2);
    write(0x108, 7, 0xbe);
    assert.deepEqual([kept(0x100), kept(0x108)], [1, 7], "what does not is");
    write(0x100, 0, 0);
  });

  it("of a former client's eventfd kicks nobody", () => {
    const first = open();
    const [ioeventfd] = first.region(0).ioeventfds;
    assert.ok(ioeventfd !== undefined);
    const before = counter(first, 0);
    // As KVM would: its reference outlives the client.
    const kept = linux.fcntl(ioeventfd.fd, F_DUPFD_CLOEXEC, 0);
    first.close();
    const second = open();
    signalEventfd(kept);
    linux.close(kept);
    second.region(0).ioeventfds[0]?.kick();
    awaitCount(second, 0, before + 1);
  });

  it("that fails is told of: the author, and the client that waits", () => {
    const opened = open();
    const region = opened.region(MANY);
    const before = counter(opened, 8);
    region.ioeventfds[3]?.kick();
    awaitCount(opened, 8, before + 1);
    assert.throws(() => region.write(8, new Uint8Array(8)), { code: "ERR_DEVICE", message: /EIO/ });
    assert.equal(counter(opened, 8), before + 2);
    assert.throws(() => region.write(9, new Uint8Array(8)), { message: /EINVAL/ }, "it takes nothing else");
  });

  it("leaves nothing behind", () => {
    const counts: number[] = [];
    for (let round = 0; round < 20; round += 1) {
      device.current?.close();
      const opened = open();
      opened.region(0).ioeventfds[0]?.kick();
      counter(opened, 0);
      counts.push(openEventfds());
    }
    assert.equal(new Set(counts).size, 1, counts.join(", "));
  });

  /** In this process, which holds both ends. */
  function openEventfds(): number {
    return openDescriptors().filter((each) => each.endsWith("[eventfd]")).length;
  }
});

describe("ioeventfds that nobody could use", () => {
  const onKick = (): void => {};
  const good = { offset: 8, size: 4, onKick };
  const cases: [string, readonly IoEventFd[], object, RegExp][] = [
    ["of another size", [{ ...good, size: 3 }], {}, /size \(3\) is none of/],
    ["outside the region", [{ ...good, offset: SIZE }], {}, /outside the region/],
    ["before the region", [{ ...good, offset: -4 }], {}, /outside the region/],
    ["that are not aligned", [{ ...good, offset: 6 }], {}, /no multiple/],
    ["of a value that does not fit", [{ ...good, size: 1, datamatch: 256n }], {}, /has the value 256/],
    ["of a value and no size", [{ ...good, size: 0, datamatch: 1n }], {}, /has the value 1/],
    ["in memory that is mapped", [good], { memory: "sparse" }, /clients may map/],
    ["of a region that is read-only", [good], { readOnly: true }, /read-only/],
    ["twice at one place", [good, { ...good, size: 0 }], {}, /same writes/],
    ["of all values and of one", [good, { ...good, datamatch: 1n }], {}, /same writes/],
    [
      "in too great a number",
      Array.from({ length: 17 }, (_, at) => ({ ...good, offset: 8 * at })),
      {},
      /16 descriptors at most/,
    ],
  ];
  for (const [what, ioeventfds, region, message] of cases) {
    it(`are refused: ${what}`, () => {
      const description = { regions: [{ index: 0, size: SIZE, ioeventfds, ...region }] };
      assert.throws(() => serveDevice(description, { socket: `${socket}.not` }), {
        code: "ERR_ARGUMENT",
        message,
      });
    });
  }
});
