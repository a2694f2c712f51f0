import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { mergedTallies, parseHistogram } from "./fault-histograms.ts";

/** As the kernel prints it (kernel/trace/trace_events_hist.c). */
const TEXT = `# event histogram
#
# trigger info: hist:keys=order,ret:vals=hitcount:sort=hitcount:size=128 [active]
#

{ order:          9, ret:        256 } hitcount:          3
{ order:         18, ret:       2048 } hitcount:      12345

Totals:
    Hits: 12350
    Entries: 2
    Dropped: 2
`;

describe("parseHistogram", () => {
  it("reads orders, answers, counts, and what was dropped", () => {
    assert.deepEqual(parseHistogram(TEXT), {
      tallies: [
        { order: 9, answer: 0x100, count: 3 },
        { order: 18, answer: 0x800, count: 12345 },
      ],
      lost: 2,
    });
  });

  it("finds nothing where nothing has happened", () => {
    const text = TEXT.replace(/^\{.*\n/gm, "").replace("Dropped: 2", "Dropped: 0");
    assert.deepEqual(parseHistogram(text), { tallies: [], lost: 0 });
  });
});

describe("mergedTallies", () => {
  it("counts once what two functions report, and adds up what two drivers' do", () => {
    const order0 = (count: number) => [{ order: 0, answer: 0x100, count }];
    const huge = [{ order: 9, answer: 0x100, count: 4 }];
    assert.deepEqual(
      mergedTallies([
        { kind: "page", tallies: order0(5) },
        // Called by the one above, but for the second driver, whose compiler has built it in.
        { kind: "huge", tallies: [...order0(5), ...huge] },
        { kind: "page", tallies: order0(2) },
        { kind: "huge", tallies: huge },
      ]),
      [
        { order: 0, answer: 0x100, count: 7 },
        { order: 9, answer: 0x100, count: 8 },
      ],
    );
  });
});
