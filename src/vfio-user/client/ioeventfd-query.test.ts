/** What the client believes of a server's answer. No server runs in this process, whose descriptors are counted. */

import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { VFIO_DEVICE_INFO, VFIO_REGION_INFO } from "../../device/transport/vfio-abi.ts";
import { EFD_CLOEXEC, EFD_NONBLOCK, MFD_CLOEXEC } from "../../system/constants.ts";
import { linux } from "../../system/libc.ts";
import {
  VFIO_USER_DEVICE_GET_INFO,
  VFIO_USER_DEVICE_GET_REGION_INFO,
  VFIO_USER_DEVICE_GET_REGION_IO_FDS,
  VFIO_USER_REGION_IO_FDS,
  VFIO_USER_SUB_REGION_IOEVENTFD,
} from "../wire/protocol.ts";
import { encodeReply } from "../wire/raw-peer.fixture.ts";
import { openDescriptors } from "../../system/descriptors.fixture.ts";
import { scriptedServer, type Scripted } from "./scripted-server.fixture.ts";

const HEAD = VFIO_USER_REGION_IO_FDS;
const ENTRY = VFIO_USER_SUB_REGION_IOEVENTFD;
const SIZE = 0x1000;

describe("a client that asks for ioeventfds", () => {
  const eventfds = [0, 1].map(() => linux.eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  const memfd = linux.memfd_create("no-eventfd", MFD_CLOEXEC);
  after(() => {
    for (const fd of [...eventfds, memfd]) linux.close(fd);
  });

  const entry = (change: object = {}, size = 40): Uint8Array => {
    const bytes = new Uint8Array(size);
    ENTRY.encodeInto(bytes, 0, { offset: 8n, size: 4n, ...change });
    return bytes;
  };
  const answer = (entries: readonly Uint8Array[], head: object = {}): Uint8Array => {
    const size = entries.reduce((sum, { length }) => sum + length, 16);
    return Buffer.concat([HEAD.encode({ argsz: size, count: entries.length, ...head }), ...entries]);
  };

  /** A client that knows the region already. */
  function script(): Scripted {
    const scripted = scriptedServer();
    const info = VFIO_DEVICE_INFO.encode({ argsz: 16, num_regions: 9 });
    const region = VFIO_REGION_INFO.encode({ argsz: 32, flags: 3, size: BigInt(SIZE) });
    scripted.server.send(encodeReply({ id: 0, command: VFIO_USER_DEVICE_GET_INFO, payload: info }));
    scripted.server.send(encodeReply({ id: 1, command: VFIO_USER_DEVICE_GET_REGION_INFO, payload: region }));
    scripted.client.regionInfo(0);
    scripted.server.receive();
    scripted.server.receive();
    return scripted;
  }

  const command = VFIO_USER_DEVICE_GET_REGION_IO_FDS;

  /** What the client makes of an answer; nothing stays open. */
  function told(payload: Uint8Array, descriptors: readonly number[]): object[] {
    const before = openDescriptors();
    const scripted = script();
    scripted.server.send(encodeReply({ id: 2, command, payload }), descriptors);
    try {
      const found = scripted.client.ioeventfds(0);
      return found.map(({ offset, size, datamatch }) => ({ offset, size, datamatch }));
    } finally {
      scripted.close();
      assert.deepEqual(openDescriptors(), before);
    }
  }

  it("takes entries of the specification's size, of libvfio-user's, and larger ones", () => {
    const matching = { flags: 1, datamatch: 7n };
    const expected = [{ offset: 8, size: 4, datamatch: 7n }];
    assert.deepEqual(told(answer([entry(matching)]), eventfds), expected);
    const shadowed = entry({ flags: 1 }, 48);
    shadowed[40] = 7;
    assert.deepEqual(told(answer([shadowed]), eventfds), expected);
    assert.deepEqual(told(answer([entry(matching, 56)]), eventfds), expected);
  });

  it("takes descriptors that are shared, and leaves out what it cannot use", () => {
    const shared = [entry(), entry({ offset: 16n }), entry({ type: 1 }), entry({ type: 2 })];
    assert.deepEqual(told(answer(shared), eventfds), [
      { offset: 8, size: 4, datamatch: null },
      { offset: 16, size: 4, datamatch: null },
    ]);
    assert.deepEqual(told(answer([]), []), []);
  });

  it("asks again with the room that the server names", () => {
    const scripted = script();
    const needed = 16 + 30 * 40;
    const unusable = Array.from({ length: 30 }, () => entry({ type: 1 }));
    const answers = [answer([], { argsz: needed, count: 30 }), answer(unusable)];
    for (const [number, payload] of answers.entries())
      scripted.server.send(encodeReply({ id: 2 + number, command, payload }));
    assert.deepEqual(scripted.client.ioeventfds(0), []);
    scripted.server.receive();
    assert.equal(HEAD.decode(scripted.server.receive()?.payload ?? new Uint8Array(0)).argsz, needed);
    scripted.close();
  });

  const lies: [string, Uint8Array, readonly number[], RegExp][] = [
    ["an answer cut short", new Uint8Array(15), [], /cut short/],
    ["another region", answer([entry()], { index: 1 }), eventfds, /described region 1/],
    ["fewer bytes than it counts", answer([entry()], { count: 2 }), eventfds, /56 bytes for 2/],
    ["more bytes than its argsz", answer([entry()], { argsz: 55 }), eventfds, /56 bytes/],
    ["a count of 2^32−1", answer([entry()], { count: 0xffff_ffff }), eventfds, /for 4294967295/],
    ["an answer of 4 GiB", answer([], { argsz: 0xffff_fff0 }), [], /claims 4294967280 bytes/],
    ["a place outside the region", answer([entry({ offset: 0xffdn })]), eventfds, /outside the region/],
    ["a place whose end wraps", answer([entry({ offset: (1n << 64n) - 2n })]), eventfds, /outside/],
    ["a descriptor that did not come", answer([entry({ fd_index: 2 })]), eventfds, /passed no descriptor/],
    ["no descriptor", answer([entry()]), [], /passed no descriptor/],
    ["a descriptor that is no eventfd", answer([entry()]), [memfd], /is no eventfd/],
    ["seventeen descriptors", answer([entry()]), Array<number>(17).fill(memfd), /too many descriptors/],
  ];
  for (const [what, payload, fds, message] of lies) {
    it(`refuses ${what}`, () => {
      assert.throws(() => told(payload, fds), { code: "ERR_PROTOCOL", message });
    });
  }
});
