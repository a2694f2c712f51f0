import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { coverageOf, coveredIn, densityOf, spansBetween, spansInView } from "./coverage.ts";
import type { DrawnSpan } from "../drawing/drawing.ts";

const KINDS = ["pud", "pmd", "pte", "gap"] as const;

/** A strip's spans and a view of it. */
const someView = fc
  .tuple(
    fc.array(fc.tuple(fc.integer({ min: 1, max: 1000 }), fc.constantFrom(...KINDS)), { minLength: 1 }),
    fc.double({ min: 0, max: 0.99, noNaN: true }),
    fc.double({ min: 0.01, max: 1, noNaN: true }),
  )
  .map(([parts, start, share]) => {
    let size = 0;
    const spans = parts.map(([own, kind]): DrawnSpan => {
      size += own;
      return { offset: size - own, size: own, kind };
    });
    const from = size * start;
    return { spans, view: { from, to: from + (size - from) * share } };
  });

/** By going over all of them. */
function slowly(spans: readonly DrawnSpan[], from: number, to: number, kind: DrawnSpan["kind"]): number {
  return spans
    .filter((span) => span.kind === kind)
    .reduce(
      (sum, { offset, size }) => sum + Math.max(0, Math.min(to, offset + size) - Math.max(from, offset)),
      0,
    );
}

describe("coverage", () => {
  it("gives the spans back, and those in a view", () => {
    fc.assert(
      fc.property(someView, ({ spans, view }) => {
        const coverage = coverageOf(spans);
        assert.deepEqual(spansBetween(coverage, 0, spans.length), spans);
        assert.deepEqual(
          spansBetween(coverage, ...spansInView(coverage, view)),
          spans.filter(({ offset, size }) => offset < view.to && offset + size > view.from),
        );
      }),
    );
  });

  it("counts the bytes of each kind in a view", () => {
    fc.assert(
      fc.property(someView, ({ spans, view }) => {
        const covered = coveredIn(coverageOf(spans), view);
        for (const kind of KINDS) {
          assert.ok(Math.abs(covered[kind] - slowly(spans, view.from, view.to, kind)) < 1e-6, kind);
        }
      }),
    );
  });

  it("shares out each column whole, to those that are there", () => {
    fc.assert(
      fc.property(someView, fc.integer({ min: 1, max: 50 }), ({ spans, view }, columns) => {
        const density = densityOf(coverageOf(spans), view, columns);
        const length = (view.to - view.from) / columns;
        for (let column = 0; column < columns; column += 1) {
          const from = view.from + length * column;
          let sum = 0;
          for (const kind of KINDS) {
            const share = density[kind][column] ?? 0;
            sum += share;
            assert.ok(Math.abs(share - slowly(spans, from, from + length, kind) / length) < 1e-3);
          }
          assert.ok(Math.abs(sum - 1) < 1e-3, `${sum}`);
        }
      }),
    );
  });
});
