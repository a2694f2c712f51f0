import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { boundariesIn } from "./boundaries.ts";

const LEAVES = [64, 8, 1];

/** Every whole offset of the pieces in view, one after the other. */
function byWalking(
  pieces: readonly { offset: number; size: number; phase: number }[],
  physicalPhase: number | null,
  view: { from: number; to: number },
  width: number,
): Record<"meeting" | "virtual" | "physical", Set<number>> {
  const scale = width / (view.to - view.from);
  const found = { meeting: new Set<number>(), virtual: new Set<number>(), physical: new Set<number>() };
  for (const { offset, size, phase } of pieces) {
    // A piece that only touches the view has nothing in it.
    if (offset >= view.to || offset + size <= view.from) continue;
    for (let at = Math.max(offset, view.from); at <= Math.min(offset + size, view.to); at += 1) {
      for (const leaf of LEAVES.filter((each) => each * scale >= 8)) {
        const virtual = (phase + at - offset) % leaf === 0;
        const physical = physicalPhase !== null && (physicalPhase + at) % leaf === 0;
        const x = (at - view.from) * scale;
        if (virtual && physical) found.meeting.add(x);
        else if (virtual) found.virtual.add(x);
        else if (physical) found.physical.add(x);
      }
    }
  }
  return found;
}

describe("boundariesIn", () => {
  it("finds what a walk over every offset finds", () => {
    const pieces = fc
      .array(fc.record({ gap: fc.nat(20), size: fc.integer({ min: 1, max: 200 }), phase: fc.nat(63) }), {
        minLength: 1,
        maxLength: 5,
      })
      .map((parts) => {
        let end = 0;
        return parts.map(({ gap, size, phase }) => {
          const offset = end + gap;
          end = offset + size;
          return { offset, size, phase };
        });
      });
    const physical = fc.option(fc.nat(63));
    fc.assert(
      fc.property(
        pieces,
        physical,
        fc.nat(200),
        fc.integer({ min: 1, max: 400 }),
        fc.integer({ min: 50, max: 900 }),
        (some, physicalPhase, from, length, width) => {
          const view = { from, to: from + length };
          const found = boundariesIn(some, physicalPhase, LEAVES, view, width);
          const expected = byWalking(some, physicalPhase, view, width);
          assert.deepEqual(new Set(found.meeting), expected.meeting);
          assert.deepEqual(new Set(found.virtual), expected.virtual);
          assert.deepEqual(new Set(found.physical), expected.physical);
        },
      ),
    );
  });

  it("draws no lines that nobody could tell apart", () => {
    const piece = { offset: 0, size: 2 ** 38, phase: 0 };
    const { meeting } = boundariesIn([piece], 0, [2 ** 30, 2 ** 21, 4096], { from: 0, to: 2 ** 38 }, 1000);
    assert.deepEqual(meeting, []);
  });
});
