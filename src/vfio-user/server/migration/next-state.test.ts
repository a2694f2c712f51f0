import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { nextState } from "./next-state.ts";

/** linux/vfio.h, and one number behind them. */
const [ERROR, STOP, RUNNING, STOP_COPY, RESUMING, PRE_COPY] = [0, 1, 2, 3, 4, 6];
const ALL = [0, 1, 2, 3, 4, 5, 6, 7, 8];

/** What a device must be able to do: the arcs of `enum vfio_device_mig_state`. */
const ARCS: readonly (readonly [number, number])[] = [
  [RUNNING, STOP],
  [STOP, RUNNING],
  [STOP, STOP_COPY],
  [STOP_COPY, STOP],
  [STOP, RESUMING],
  [RESUMING, STOP],
  [RUNNING, PRE_COPY],
  [PRE_COPY, RUNNING],
  [PRE_COPY, STOP_COPY],
];

/** The shortest way that has no state of reading inside it, by looking at all of them. */
function shortest(from: number, to: number, preCopy: boolean): readonly number[] | null {
  const arcs = ARCS.filter((arc) => preCopy || !arc.includes(PRE_COPY));
  let ways: readonly (readonly number[])[] = [[from]];
  for (let length = 1; length < ALL.length; length += 1) {
    ways = ways.flatMap((way) =>
      arcs.filter(([start]) => start === way.at(-1)).map(([, end]) => way.concat(end)),
    );
    const found = ways.find(
      (way) => way.at(-1) === to && !way.slice(1, -1).some((at) => at === STOP_COPY || at === PRE_COPY),
    );
    if (found !== undefined) return found;
  }
  return null;
}

describe("nextState", () => {
  for (const preCopy of [true, false]) {
    it(`leads along the shortest way, ${preCopy ? "with" : "without"} pre-copy`, () => {
      for (const from of ALL) {
        for (const to of ALL) {
          if (from === to) continue;
          // Forbidden, though there is a way: "STOP_COPY -> PRE_COPY" is blocked in linux/vfio.h.
          const way = from === STOP_COPY && to === PRE_COPY ? null : shortest(from, to, preCopy);
          if (from === PRE_COPY && !preCopy) continue;
          assert.equal(nextState(from, to, preCopy), way?.[1] ?? null, `${from} to ${to}`);
        }
      }
    });
  }

  it("leads nowhere from the error state, and never to it", () => {
    for (const other of ALL) {
      assert.equal(nextState(ERROR, other, true), null);
      assert.equal(nextState(other, ERROR, true), null);
    }
  });
});
