import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { DirtyTracking, runsOf } from "./dirty-tracking.ts";

describe("runsOf", () => {
  it("is every bit that is set, and no other", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 9 }), fc.nat(72), (bits, most) => {
        const count = Math.min(most, bits.length * 8);
        const set = Array.from({ length: count }, (_, at) => ((bits[at >>> 3] ?? 0) >>> (at & 7)) & 1);
        const runs = runsOf(bits, count);
        const found = Array.from({ length: count }, (_, at) =>
          Number(runs.some(({ start, end }) => start <= at && at < end)),
        );
        assert.deepEqual(found, set);
        for (const [index, { end }] of runs.entries()) assert.ok((runs[index + 1]?.start ?? count + 1) > end);
      }),
    );
  });
});

describe("DirtyTracking", () => {
  it("tells addresses, in pages of the log", () => {
    const asked: [bigint, number][] = [];
    let stops = 0;
    const tracking = new DirtyTracking({
      pageSize: 0x1000,
      read(iova, size) {
        asked.push([iova, size]);
        return Uint8Array.of(0b0000_0110, 0, 0, 0, 0, 0, 0, 0);
      },
      stop: () => void (stops += 1),
    });
    assert.deepEqual(tracking.written({ iova: 0x10_0000n, size: 0x2800 }), [
      { first: 0x10_1000n, last: 0x10_2fffn },
    ]);
    assert.deepEqual(asked, [[0x10_0000n, 0x3000]]);
    tracking.close();
    tracking.close();
    assert.equal(stops, 1);
  });
});
