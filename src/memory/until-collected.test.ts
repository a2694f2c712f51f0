import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { untilCollected } from "./until-collected.ts";

setFlagsFromString("--expose-gc");

/** What of these has ended, and whether it was carried off. */
type Ends = { name: string; carriedOff: boolean }[];

function watch(ends: Ends, name: string, buffers: ArrayBuffer[]): void {
  untilCollected(buffers, (carriedOff) => ends.push({ name, carriedOff }));
}

/** Has the collector work of its own accord until `enough`, which is looked at in between. */
async function collectUntil(enough: () => boolean): Promise<void> {
  while (!enough()) {
    runInNewContext("gc()");
    await sleep(5);
  }
}

describe("untilCollected", () => {
  it("tells when the last buffer is gone, and not while one is in use", async () => {
    const ends: Ends = [];
    const kept: ArrayBuffer[] = [];
    const give = (): void => {
      const [first, second] = [new ArrayBuffer(8), new ArrayBuffer(8)];
      kept.push(second);
      watch(ends, "kept", [first, second]);
      watch(ends, "dropped", [new ArrayBuffer(8), new ArrayBuffer(8)]);
    };
    give();
    await collectUntil(() => ends.length === 1);
    assert.deepEqual(ends, [{ name: "dropped", carriedOff: false }]);
    assert.equal(kept.pop()?.byteLength, 8);
    await collectUntil(() => ends.length === 2);
    assert.deepEqual(ends[1], { name: "kept", carriedOff: false });
  });

  it("tells of a buffer that was carried off before the collector took it, at any time", async () => {
    const ends: Ends = [];
    const carried: ArrayBuffer[] = [];
    const give = (): ArrayBuffer[] => {
      const late = [new ArrayBuffer(8)];
      watch(ends, "late", late);
      watch(ends, "dropped", [new ArrayBuffer(8)]);
      const now = new ArrayBuffer(8);
      watch(ends, "now", [now]);
      carried.push(now.transfer());
      return late;
    };
    const late = give();
    await collectUntil(() => ends.length === 2);
    assert.deepEqual(ends, [
      { name: "now", carriedOff: true },
      { name: "dropped", carriedOff: false },
    ]);
    const carryOff = (): void => void carried.push(late.pop()?.transfer() ?? assert.fail());
    carryOff();
    await collectUntil(() => ends.length === 3);
    assert.deepEqual(ends[2], { name: "late", carriedOff: true });
  });

  it("does not wait for the collector where very many wait", async () => {
    const ends: Ends = [];
    for (let count = 0; count < 4096; count += 1) watch(ends, "one", [new ArrayBuffer(8)]);
    while (ends.length < 4096) await sleep(5);
    assert.ok(ends.every(({ carriedOff }) => !carriedOff));
  });
});
