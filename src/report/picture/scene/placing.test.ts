import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { DrawnSpan } from "../drawing/drawing.ts";
import { itemsInView, placeLabels, placeParts } from "./placing.ts";

const KINDS = ["pud", "pmd", "pte", "gap"] as const;

/** Spans without holes, of these sizes. */
function spansOf(sizes: readonly number[]): DrawnSpan[] {
  let offset = 0;
  return sizes.map((size, index) => {
    const span = { offset, size, kind: KINDS[index % 4] ?? "gap" };
    offset += size;
    return span;
  });
}

const someSpans = fc
  .array(fc.integer({ min: 1, max: 2 ** 30 }), { minLength: 1, maxLength: 40 })
  .map(spansOf);

const someView = fc.tuple(
  someSpans,
  fc.double({ min: 0, max: 0.99, noNaN: true }),
  fc.double({ min: 0.001, max: 1, noNaN: true }),
);

function viewOf(spans: readonly DrawnSpan[], start: number, share: number): { from: number; to: number } {
  const last = spans.at(-1);
  const size = last === undefined ? 0 : last.offset + last.size;
  const from = start * size;
  return { from, to: from + Math.max(1e-3, (size - from) * share) };
}

describe("itemsInView", () => {
  it("finds exactly those that a view shows something of", () => {
    fc.assert(
      fc.property(someView, ([spans, start, share]) => {
        const view = viewOf(spans, start, share);
        assert.deepEqual(
          itemsInView(spans, view),
          spans.filter(({ offset, size }) => offset < view.to && offset + size > view.from),
        );
      }),
    );
  });
});

describe("placeParts", () => {
  it("fills the width without holes, shows every part, and lies by 12 pixels at most", () => {
    fc.assert(
      fc.property(someView, fc.integer({ min: 200, max: 2000 }), ([spans, start, share], width) => {
        const view = viewOf(spans, start, share);
        const parts = placeParts(itemsInView(spans, view), view, width);
        if (parts === null) return;
        assert.equal(parts[0]?.x, 0);
        let end = 0;
        for (const { span, x, width: own } of parts) {
          assert.ok(Math.abs(x - end) < 1e-6, `${x} ${end}`);
          assert.ok(own > 2.9, `${own}`);
          end = x + own;
          const wanted = Math.min(
            width,
            ((span.offset + span.size - view.from) / (view.to - view.from)) * width,
          );
          assert.ok(Math.abs(end - wanted) < 12.1);
        }
        assert.ok(Math.abs(end - width) < 1e-6);
      }),
    );
  });

  it("gives up where there are too many", () => {
    const spans = spansOf(new Array<number>(1000).fill(7));
    assert.equal(placeParts(spans, { from: 0, to: 7000 }, 1100), null);
  });

  it("shows 7 × 2 MiB and 256 pages at the end of 188 GiB", () => {
    const spans = spansOf([188 * 2 ** 30, 14 * 2 ** 20, 2 ** 20, 68 * 2 ** 30 - 15 * 2 ** 20]);
    const parts = placeParts(spans, { from: 0, to: 2 ** 38 }, 1000);
    assert.deepEqual(
      parts?.map(({ width }) => Math.round(width)),
      [734, 3, 3, 260],
    );
  });
});

describe("placeLabels", () => {
  it("keeps texts apart and within the width, or gives none", () => {
    fc.assert(
      fc.property(someView, fc.integer({ min: 200, max: 2000 }), ([spans, start, share], width) => {
        const view = viewOf(spans, start, share);
        const parts = placeParts(itemsInView(spans, view), view, width);
        const labels = parts === null ? null : placeLabels(parts, ({ size }) => `${size} bytes`, width);
        let end = 0;
        for (const { x, text } of labels ?? []) {
          assert.ok(x >= end - 1e-6, `${x} ${end}`);
          end = x + text.length * 6.5;
          assert.ok(end <= width + 1e-6);
        }
      }),
    );
  });
});
