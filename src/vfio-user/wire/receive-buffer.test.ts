import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { ReceiveBuffer } from "./receive-buffer.ts";

describe("the receive buffer", () => {
  it("gives out what came in, in order, however it is cut", () => {
    const steps = fc.array(
      fc.oneof(
        fc.record({ receive: fc.integer({ min: 1, max: 200_000 }) }),
        fc.record({ consume: fc.nat(100_000) }),
        fc.constant({ handOver: true }),
      ),
      { maxLength: 40 },
    );
    fc.assert(
      fc.property(steps, (all) => {
        const buffer = new ReceiveBuffer();
        let received = 0;
        let consumed = 0;
        for (const step of all) {
          if ("receive" in step) {
            const space = buffer.space(buffer.length + step.receive);
            assert.ok(space.length >= step.receive);
            for (let at = 0; at < step.receive; at += 1) space[at] = (received + at) % 251;
            buffer.received(step.receive);
            received += step.receive;
          } else if ("consume" in step) {
            const count = Math.min(step.consume, buffer.length);
            buffer.consume(count);
            consumed += count;
          } else buffer.handOver();
          assert.equal(buffer.length, received - consumed);
          for (let at = 0; at < buffer.length; at += 97) {
            assert.equal(buffer.bytes[buffer.start + at], (consumed + at) % 251);
            assert.equal(buffer.view.getUint8(buffer.start + at), (consumed + at) % 251);
          }
        }
      }),
      { numRuns: 50 },
    );
  });

  it("leaves handed-over bytes alone", () => {
    const buffer = new ReceiveBuffer();
    buffer.space(4).set([1, 2, 3, 4]);
    buffer.received(4);
    const kept = buffer.bytes.subarray(0, 2);
    buffer.consume(2);
    buffer.handOver();
    buffer.space(100).fill(9);
    assert.deepEqual([...kept], [1, 2]);
    assert.deepEqual([...buffer.bytes.subarray(buffer.start, buffer.end)], [3, 4]);
  });
});
