/** VFIO_USER_DEVICE_FEATURE, message by message, and what the log of DMA says of what a device has written. */

import assert from "node:assert/strict";
import { constants } from "node:os";
import { after, afterEach, beforeEach, describe, it } from "node:test";
import {
  VFIO_DEVICE_FEATURE_ARGUMENT,
  VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT as REPORT,
  VFIO_DEVICE_FEATURE_DMA_LOGGING_START as START,
  VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP as STOP,
  VFIO_DEVICE_FEATURE_GET as GET,
  VFIO_DEVICE_FEATURE_PROBE as PROBE,
  VFIO_DEVICE_FEATURE_SET as SET,
} from "../../device/transport/vfio-abi.ts";
import { SharedMemory } from "../../memory/shared-memory.ts";
import { FETCH, HOLD, INCREMENT, LET_GO, STORE } from "./dma-device.fixture.ts";
import { mapRequest, orderRequest } from "./dma-messages.fixture.ts";
import {
  VFIO_USER_DEVICE_FEATURE,
  VFIO_USER_DMA_LOGGING_CONTROL,
  VFIO_USER_DMA_LOGGING_RANGE,
  VFIO_USER_DMA_LOGGING_REPORT,
  VFIO_USER_DMA_MAP,
  VFIO_USER_REGION_WRITE,
} from "../wire/protocol.ts";
import { RawPeer, type ReceivedReply } from "../wire/raw-peer.fixture.ts";
import { servedSocket } from "./served-socket.fixture.ts";

const { E2BIG, EINVAL, ENOTTY, EOVERFLOW } = constants.errno;
const PAGE = 4096;
const IOVA = 0x10_0000n;
const PAGES = 64;
const socket = servedSocket("dma-device.fixture.ts");
let peer: RawPeer;
beforeEach(() => {
  peer = RawPeer.negotiated(socket);
});
afterEach(() => peer.close());

function feature(flags: number, data: Uint8Array = new Uint8Array(0), argsz?: number): Uint8Array {
  const head = VFIO_DEVICE_FEATURE_ARGUMENT.encode({ argsz: argsz ?? 8 + data.length, flags });
  return Buffer.concat([head, data]);
}

const control = (change: object = {}, ...ranges: { iova: bigint; length: bigint }[]): Uint8Array =>
  Buffer.concat([
    VFIO_USER_DMA_LOGGING_CONTROL.encode({ page_size: 4096n, num_ranges: ranges.length, ...change }),
    ...ranges.map((range) => VFIO_USER_DMA_LOGGING_RANGE.encode(range)),
  ]);
const asked = (change: object = {}): Uint8Array =>
  VFIO_USER_DMA_LOGGING_REPORT.encode({
    iova: IOVA,
    length: BigInt(PAGES * PAGE),
    page_size: 4096n,
    ...change,
  });

function ask(payload: Uint8Array): ReceivedReply {
  const reply = peer.ask(VFIO_USER_DEVICE_FEATURE, payload);
  assert.ok(reply !== null);
  return reply;
}

describe("the server's reply to a device feature", () => {
  const probes: [string, number, number][] = [
    ["DMA logging", START, SET],
    ["its end", STOP, SET],
    ["its report", REPORT, GET],
  ];
  for (const [what, number, operation] of probes) {
    it(`says that there is ${what}, and what can be done with it`, () => {
      for (const flags of [PROBE, PROBE | operation]) {
        const request = feature(number | flags);
        assert.deepEqual(Buffer.from(ask(request).payload), request, "the reply is the request");
      }
      const other = operation === GET ? SET : GET;
      assert.equal(ask(feature(number | PROBE | other)).errno, EINVAL);
      assert.equal(ask(feature(number | PROBE | GET | SET)).errno, EINVAL);
      assert.equal(ask(feature(number | other)).errno, EINVAL);
    });
  }

  it("is ENOTTY for migration, and for what nobody knows", () => {
    for (const number of [0, 1, 2, 3, 9, 10, 11, 0xffff]) {
      for (const flags of [PROBE, PROBE | GET | SET, GET, SET, 0])
        assert.equal(ask(feature(number | flags)).errno, ENOTTY, String(number));
    }
  });

  const started = feature(START | SET, control());
  const cases: [string, Uint8Array, number][] = [
    ["seven bytes", new Uint8Array(7), EINVAL],
    ["an argsz below the structure", feature(PROBE | START, undefined, 7), EINVAL],
    ["an argsz below the request", feature(START | SET, control(), 23), EINVAL],
    ["unknown flags", feature(PROBE | START | (1 << 19)), EINVAL],
    ["getting and setting at once", feature(START | GET | SET, control()), EINVAL],
    ["nothing to do", feature(START, control()), EINVAL],
    ["a start without data", feature(START | SET), EINVAL],
    ["a start with fewer ranges than it counts", feature(START | SET, control({ num_ranges: 1 })), EINVAL],
    ["a start with 2^32−1 ranges", feature(START | SET, control({ num_ranges: 0xffff_ffff })), EINVAL],
    ["a start with pages of 0", feature(START | SET, control({ page_size: 0n })), EINVAL],
    ["a start with pages of 5000", feature(START | SET, control({ page_size: 5000n })), EINVAL],
    ["a start with an empty range", feature(START | SET, control({}, { iova: 0n, length: 0n })), EINVAL],
    [
      "a start with a range that wraps",
      feature(START | SET, control({}, { iova: 1n << 63n, length: (1n << 63n) + 1n })),
      EOVERFLOW,
    ],
    ["a start", started, 0],
    ["a start with ranges", feature(START | SET, control({}, { iova: 0n, length: 4096n })), 0],
    ["an end without a start", feature(STOP | SET), 0],
    ["a report without a start", feature(REPORT | GET, asked(), 4096), EINVAL],
  ];
  for (const [what, payload, errno] of cases) {
    it(`to ${what}`, () => {
      assert.equal(ask(payload).errno, errno);
    });
  }

  const reports: [string, Uint8Array, number][] = [
    ["a report", feature(REPORT | GET, asked(), 8 + 24 + 8), 0],
    ["a report with no room for its bitmap", feature(REPORT | GET, asked(), 8 + 24 + 7), EINVAL],
    ["a report without data", feature(REPORT | GET, undefined, 4096), EINVAL],
    ["a report of pages of 0", feature(REPORT | GET, asked({ page_size: 0n }), 4096), EINVAL],
    ["a report of pages of 2 KiB", feature(REPORT | GET, asked({ page_size: 2048n }), 4096), EINVAL],
    ["a report of pages of 12 KiB", feature(REPORT | GET, asked({ page_size: 12288n }), 4096), EINVAL],
    ["a report of nothing", feature(REPORT | GET, asked({ length: 0n }), 4096), EINVAL],
    ["a report that wraps", feature(REPORT | GET, asked({ iova: (1n << 64n) - 1n }), 4096), EOVERFLOW],
    ["a report of all there is", feature(REPORT | GET, asked({ iova: 0n, length: 1n << 63n }), 4096), E2BIG],
  ];
  for (const [what, payload, errno] of reports) {
    it(`to ${what}, once started`, () => {
      assert.equal(ask(started).errno, 0);
      assert.equal(ask(payload).errno, errno);
    });
  }

  it("to a start tells the page size that is logged, and repeats the rest", () => {
    const request = feature(START | SET, control({ page_size: 65536n }, { iova: 4096n, length: 8192n }));
    const { payload } = ask(request);
    assert.equal(VFIO_USER_DMA_LOGGING_CONTROL.decode(payload, 8).page_size, 4096n);
    assert.deepEqual(Buffer.from(payload.subarray(16)), request.subarray(16));
  });
});

describe("the log of DMA", () => {
  const memory = new SharedMemory(PAGES * PAGE);
  after(() => memory.close());
  beforeEach(() => {
    const payload = mapRequest({ addr: IOVA, size: BigInt(PAGES * PAGE) });
    assert.equal(peer.ask(VFIO_USER_DMA_MAP, payload, [memory.fd])?.errno, 0);
  });

  function order(what: number, page: number, length: number, offset = 0): void {
    const payload = orderRequest(what, IOVA + BigInt(page * PAGE + offset), length);
    assert.equal(peer.ask(VFIO_USER_REGION_WRITE, payload)?.errno, 0);
  }

  const start = (): void => assert.equal(ask(feature(START | SET, control())).errno, 0);

  /** The numbers of the pages of a report, counted from its start. */
  function written(change: object = {}): number[] {
    const { payload, errno } = ask(feature(REPORT | GET, asked(change), 4096));
    assert.equal(errno, 0);
    assert.equal(VFIO_DEVICE_FEATURE_ARGUMENT.decode(payload).argsz, payload.length);
    const bitmap = payload.subarray(8 + 24);
    assert.equal(bitmap.length % 8, 0);
    return Array.from({ length: bitmap.length * 8 }, (_, bit) => bit).filter(
      (bit) => ((bitmap[bit >> 3] ?? 0) & (1 << (bit & 7))) !== 0,
    );
  }

  it("has the pages that the device has written to, once, and not what it has read", () => {
    order(STORE, 1, 4);
    start();
    assert.deepEqual(written(), [], "what was before the start is not in it");
    order(STORE, 3, 4);
    order(STORE, 9, 2 * PAGE + 2, PAGE - 1);
    order(FETCH, 30, PAGE);
    order(STORE, 63, 1, PAGE - 1);
    assert.deepEqual(written(), [3, 9, 10, 11, 12, 63]);
    assert.deepEqual(written(), []);
    order(STORE, 3, 4);
    start();
    assert.deepEqual(written(), [3], "a second start forgets nothing");
    order(STORE, 3, 4);
    assert.equal(ask(feature(STOP | SET)).errno, 0);
    start();
    assert.deepEqual(written(), [], "an end does");
  });

  it("tells of any range, in pages of any size", () => {
    start();
    order(STORE, 5, 1);
    order(STORE, 17, 1);
    order(STORE, 40, 1);
    assert.deepEqual(written({ iova: IOVA + BigInt(16 * PAGE), length: BigInt(8 * PAGE) }), [1]);
    assert.deepEqual(written({ page_size: 65536n }), [0, 2], "what was told is told no more");
    order(STORE, 5, 1);
    assert.deepEqual(written({ iova: IOVA + BigInt(5 * PAGE) + 1n, length: 1n }), [0]);
  });

  it("has memory that the device was lent in every report, until it is given back", () => {
    order(HOLD, 2, 4);
    start();
    assert.deepEqual(written(), [2]);
    assert.deepEqual(written(), [2]);
    order(LET_GO, 0, 0);
    assert.deepEqual(written(), [2], "what was written since");
    assert.deepEqual(written(), []);
    order(INCREMENT, 3, 4);
    assert.deepEqual(written(), [3]);
    assert.deepEqual(written(), []);
  });
});
