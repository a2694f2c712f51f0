/** The messages that move a device's state, one by one: what is answered to those that no client should send. */

import assert from "node:assert/strict";
import { constants } from "node:os";
import { describe, it } from "node:test";
import {
  VFIO_DEVICE_FEATURE_ARGUMENT,
  VFIO_DEVICE_FEATURE_GET as GET,
  VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE as STATE,
  VFIO_DEVICE_FEATURE_MIG_STATE,
  VFIO_DEVICE_FEATURE_MIGRATION as MIGRATION,
  VFIO_DEVICE_FEATURE_PROBE as PROBE,
  VFIO_DEVICE_FEATURE_SET as SET,
  VFIO_DEVICE_STATE_ERROR as ERROR,
  VFIO_DEVICE_STATE_PRE_COPY as PRE_COPY,
  VFIO_DEVICE_STATE_RESUMING as RESUMING,
  VFIO_DEVICE_STATE_RUNNING as RUNNING,
  VFIO_DEVICE_STATE_STOP as STOP,
  VFIO_DEVICE_STATE_STOP_COPY as STOP_COPY,
} from "../../device/transport/vfio-abi.ts";
import { FAILURE } from "./moved-device.fixture.ts";
import {
  VFIO_USER_DEVICE_FEATURE,
  VFIO_USER_DEVICE_RESET,
  VFIO_USER_MIG_DATA,
  VFIO_USER_MIG_DATA_READ,
  VFIO_USER_MIG_DATA_WRITE,
} from "../wire/protocol.ts";
import type { RawPeer } from "../wire/raw-peer.fixture.ts";
import { rawPeers } from "../wire/raw-peers.fixture.ts";
import { servedSocket } from "./served-socket.fixture.ts";
import { OWN_CAPABILITIES } from "../wire/version.ts";

const { EINVAL } = constants.errno;
const NOTHING = new Uint8Array(0);
/** A block of the device's, as it is written. */
const BLOCK = new Uint8Array(1 + 2 ** 12).fill(3);

function feature(flags: number, data: Uint8Array = NOTHING, argsz = 8 + data.length): Uint8Array {
  return Buffer.concat([VFIO_DEVICE_FEATURE_ARGUMENT.encode({ argsz, flags }), data]);
}

function state(device_state: number): Uint8Array {
  return VFIO_DEVICE_FEATURE_MIG_STATE.encode({ device_state, data_fd: -1 });
}

function data(size: number, bytes: Uint8Array = NOTHING, argsz = 8 + size): Uint8Array {
  return Buffer.concat([VFIO_USER_MIG_DATA.encode({ argsz, size }), bytes]);
}

const { open } = rawPeers(servedSocket("moved-device.fixture.ts"));

function ask(peer: RawPeer, command: number, payload: Uint8Array) {
  const reply = peer.ask(command, payload);
  assert.ok(reply !== null);
  return reply;
}

function take(peer: RawPeer, ...states: number[]): RawPeer {
  for (const wanted of states)
    assert.equal(ask(peer, VFIO_USER_DEVICE_FEATURE, feature(STATE | SET, state(wanted))).errno, 0);
  return peer;
}

function stateOf(peer: RawPeer): number {
  const { payload } = ask(peer, VFIO_USER_DEVICE_FEATURE, feature(STATE | GET, NOTHING, 16));
  return VFIO_DEVICE_FEATURE_MIG_STATE.decode(payload, 8).device_state;
}

/** What a read brought; its reply is as long as what was asked for, whatever that is. */
function bytesRead(peer: RawPeer, size: number): Uint8Array {
  const { payload, errno } = read(peer, size);
  assert.deepEqual([errno, payload.length], [0, 8 + size]);
  const { argsz, size: count } = VFIO_USER_MIG_DATA.decode(payload);
  assert.equal(argsz, 8 + count);
  assert.ok(
    payload.subarray(argsz).every((byte) => byte === 0),
    "zeros behind",
  );
  return payload.subarray(8, argsz);
}

const read = (peer: RawPeer, size: number) => ask(peer, VFIO_USER_MIG_DATA_READ, data(size));

describe("the server's reply to a migration feature", () => {
  it("says what there is", () => {
    const { payload } = ask(open(), VFIO_USER_DEVICE_FEATURE, feature(MIGRATION | GET, NOTHING, 16));
    assert.deepEqual([...payload], [16, 0, 0, 0, 1, 0, 1, 0, 0b101, 0, 0, 0, 0, 0, 0, 0]);
  });

  it("tells the state, and no descriptor", () => {
    const { payload } = ask(open(), VFIO_USER_DEVICE_FEATURE, feature(STATE | GET, new Uint8Array(8)));
    assert.deepEqual([...payload], [16, 0, 0, 0, 2, 0, 1, 0, RUNNING, 0, 0, 0, 255, 255, 255, 255]);
  });

  it("to a setting is the request", () => {
    const request = feature(STATE | SET, state(STOP));
    assert.deepEqual(Buffer.from(ask(open(), VFIO_USER_DEVICE_FEATURE, request).payload), request);
  });

  const cases: [string, Uint8Array, number][] = [
    ["a probe of migration", feature(MIGRATION | PROBE | GET), 0],
    ["a probe of states", feature(STATE | PROBE | GET | SET), 0],
    ["a probe of setting what is there", feature(MIGRATION | PROBE | SET), EINVAL],
    ["what is there, set", feature(MIGRATION | SET, new Uint8Array(8)), EINVAL],
    ["what is there, with no room for it", feature(MIGRATION | GET, NOTHING, 15), EINVAL],
    ["a state, with no room for it", feature(STATE | GET, NOTHING, 15), EINVAL],
    ["a state, set to nothing", feature(STATE | SET), EINVAL],
    ["a state, cut short", feature(STATE | SET, new Uint8Array(7)), EINVAL],
    ["the state that it has", feature(STATE | SET, state(RUNNING)), 0],
    ...[ERROR, 5, 7, 8, 0xffff_ffff].map((number): [string, Uint8Array, number] => [
      `state ${number}`,
      feature(STATE | SET, state(number)),
      EINVAL,
    ]),
  ];
  for (const [what, payload, errno] of cases) {
    it(`to ${what}`, () => assert.equal(ask(open(), VFIO_USER_DEVICE_FEATURE, payload).errno, errno));
  }

  it("refuses to read twice what was read once", () => {
    const peer = take(open(), STOP_COPY);
    assert.equal(ask(peer, VFIO_USER_DEVICE_FEATURE, feature(STATE | SET, state(PRE_COPY))).errno, EINVAL);
    assert.equal(stateOf(peer), STOP_COPY);
  });

  it("leads over the states that lie between", () => {
    const peer = open();
    for (const wanted of [
      PRE_COPY,
      RESUMING,
      STOP_COPY,
      RESUMING,
      RUNNING,
      STOP_COPY,
      RUNNING,
      PRE_COPY,
      STOP,
    ]) {
      take(peer, wanted);
      assert.equal(stateOf(peer), wanted);
    }
  });
});

describe("the server's reply to migration data", () => {
  it("is all there is of it, in any pieces, and then nothing", () => {
    const peer = take(open(), STOP_COPY);
    let total = 0;
    for (const size of [0, 1, 5000, 2 ** 20]) total += bytesRead(peer, size).length;
    assert.equal(total, 16 * BLOCK.length);
    assert.equal(bytesRead(peer, 100).length, 0);
  });

  it("is of both parts, whole pieces first", () => {
    const peer = take(open(), PRE_COPY);
    assert.equal(bytesRead(peer, 100).length, 100);
    take(peer, STOP_COPY);
    // What is left of the first piece, and the blocks that were not told of.
    assert.equal(bytesRead(peer, 2 ** 20).length, 16 * BLOCK.length - 100);
  });

  const most = OWN_CAPABILITIES.max_data_xfer_size;
  const reads: [string, Uint8Array, number][] = [
    ["a read of nothing", data(0), 0],
    ["a read of seven bytes of a request", new Uint8Array(7), EINVAL],
    ["a read with too little room", data(100, NOTHING, 107), EINVAL],
    ["a read of the most", data(most), 0],
    ["a read of more", data(most + 1), EINVAL],
    ["a read of 2^32 − 1", data(2 ** 32 - 1, NOTHING, 2 ** 32 - 1), EINVAL],
  ];
  for (const [what, payload, errno] of reads) {
    it(`to ${what}`, () => {
      const peer = take(open(), STOP_COPY);
      assert.equal(ask(peer, VFIO_USER_MIG_DATA_READ, payload).errno, errno);
      assert.equal(stateOf(peer), STOP_COPY);
    });
  }

  const writes: [string, Uint8Array, number][] = [
    ["a write of nothing", data(0), 0],
    ["a write of a block", data(BLOCK.length, BLOCK), 0],
    ["a write that speaks of no room for a reply", data(BLOCK.length, BLOCK, 0), 0],
    ["a write of seven bytes of a request", new Uint8Array(7), EINVAL],
    ["a write of less than it says", data(3, Uint8Array.of(1, 2)), EINVAL],
    ["a write of more than it says", data(1, Uint8Array.of(1, 2)), EINVAL],
    ["a write of 2^32 − 1", data(2 ** 32 - 1, Uint8Array.of(1), 2 ** 32 - 1), EINVAL],
  ];
  for (const [what, payload, errno] of writes) {
    it(`to ${what}`, () => {
      const peer = take(open(), RESUMING);
      assert.equal(ask(peer, VFIO_USER_MIG_DATA_WRITE, payload).errno, errno);
      assert.equal(stateOf(peer), RESUMING);
    });
  }

  it("is a refusal in any other state", () => {
    const peer = open();
    for (const wanted of [RUNNING, STOP, RESUMING]) {
      take(peer, wanted);
      assert.equal(read(peer, 8).errno, EINVAL);
    }
    for (const wanted of [RUNNING, STOP, STOP_COPY, RUNNING, PRE_COPY]) {
      take(peer, wanted);
      assert.equal(ask(peer, VFIO_USER_MIG_DATA_WRITE, data(BLOCK.length, BLOCK)).errno, EINVAL);
    }
  });

  it("ends in the error state where half a block was written, and a reset leads out", () => {
    const peer = take(open(), RESUMING);
    assert.equal(ask(peer, VFIO_USER_MIG_DATA_WRITE, data(5, BLOCK.subarray(0, 5))).errno, 0);
    assert.equal(ask(peer, VFIO_USER_DEVICE_FEATURE, feature(STATE | SET, state(STOP))).errno, FAILURE);
    assert.equal(stateOf(peer), ERROR);
    for (const wanted of [STOP, RUNNING, RESUMING, STOP_COPY, PRE_COPY])
      assert.equal(ask(peer, VFIO_USER_DEVICE_FEATURE, feature(STATE | SET, state(wanted))).errno, EINVAL);
    assert.equal(ask(peer, VFIO_USER_MIG_DATA_WRITE, data(5, BLOCK.subarray(0, 5))).errno, EINVAL);
    assert.equal(read(peer, 8).errno, EINVAL);
    assert.equal(ask(peer, VFIO_USER_DEVICE_RESET, NOTHING).errno, 0);
    assert.equal(stateOf(peer), RUNNING);
  });
});
