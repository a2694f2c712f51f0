import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { frameView, panView, stretchOfView, viewBetween, wholeView, zoomView, type View } from "./view.ts";

const limits = { size: 2 ** 38, smallest: 4096 };
const share = fc.double({ min: 0, max: 1, noNaN: true });
const someView = fc.tuple(share, fc.double({ min: 0, max: 26, noNaN: true })).map(([start, power]) => {
  const length = 2 ** (12 + power);
  const from = start * (limits.size - length);
  return { from, to: from + length };
});

function staysWithin({ from, to }: View): void {
  assert.ok(from >= 0 && to <= limits.size + 1e-3, `${from} ${to}`);
  assert.ok(to - from >= limits.smallest * 0.999 && to - from <= limits.size, `${to - from}`);
}

describe("a view", () => {
  it("stays within the region, and no nearer than a page", () => {
    fc.assert(
      fc.property(
        someView,
        share,
        fc.double({ min: 0.001, max: 1000, noNaN: true }),
        (view, anchor, factor) => {
          staysWithin(zoomView(view, factor, anchor, limits));
          staysWithin(panView(view, (factor - 500) / 100, limits));
          staysWithin(stretchOfView(view, anchor / 2, anchor, limits));
          staysWithin(panView(view, Infinity, limits));
          staysWithin(panView(view, -Infinity, limits));
        },
      ),
    );
  });

  it("keeps what is at the anchor in its place while nothing limits it", () => {
    const zoomed = zoomView({ from: 2 ** 30, to: 2 ** 31 }, 0.5, 0.25, limits);
    assert.deepEqual(zoomed, { from: 2 ** 30 + 2 ** 27, to: 2 ** 30 + 2 ** 27 + 2 ** 29 });
  });

  it("zooms from 256 GiB to one page in 26 steps of two, and back", () => {
    let view = wholeView(limits);
    for (let step = 0; step < 26; step += 1) view = zoomView(view, 0.5, 0.3, limits);
    assert.equal(view.to - view.from, 4096);
    for (let step = 0; step < 26; step += 1) view = zoomView(view, 2, 0.3, limits);
    assert.equal(Math.round(view.to - view.from), limits.size);
    assert.deepEqual(zoomView(view, 2, 0.3, limits), wholeView(limits));
  });

  it("frames a part with room on both sides", () => {
    assert.deepEqual(frameView({ offset: 14 * 4096, size: 7 * 4096 }, limits), {
      from: 13 * 4096,
      to: 22 * 4096,
    });
    assert.deepEqual(frameView({ offset: 0, size: 7 * 4096 }, limits), { from: 0, to: 9 * 4096 });
    assert.deepEqual(frameView({ offset: 0, size: limits.size }, limits), wholeView(limits));
  });

  it("travels from one view to another without leaving them", () => {
    fc.assert(
      fc.property(someView, someView, share, (start, end, progress) => {
        const { from, to } = viewBetween(start, end, progress);
        const room = 1e-6 * limits.size;
        assert.ok(from >= Math.min(start.from, end.from) - room && to <= Math.max(start.to, end.to) + room);
        assert.deepEqual(viewBetween(start, end, 1), end);
      }),
    );
  });

  it("shows a region smaller than a page whole", () => {
    const tiny = { size: 512, smallest: 4096 };
    assert.deepEqual(zoomView(wholeView(tiny), 0.5, 0.5, tiny), { from: 0, to: 512 });
  });
});
