/** What inspect says about this process's own mappings on a real kernel, and what trace counts of them. */

import assert from "node:assert/strict";
import { before, describe, it } from "node:test";

import { inspectMachine } from "../../../src/inspect/inspect.ts";
import { LIVE } from "../../../src/inspect/proc/machine.ts";
import type { TracedFaults } from "../../../src/inspect/trace/traced-faults.ts";
import { GIB } from "../../../src/layout/sizes.ts";
import { kernelFacts } from "./kernel.ts";
import { openDevice, withoutAdvice } from "./open.ts";
import { largest, model, orderOf, pageSize, pmdSize } from "./paging.ts";
import { bindTo } from "./pci.ts";
import { leavesAt, steps } from "./touching.ts";
import { traceWhile } from "./trace-while.ts";
import { setTransparentHugepage } from "./transparent-hugepage.ts";

const bdf = "0000:00:10.0";
const bar = 2;

before(() => {
  bindTo(bdf);
  setTransparentHugepage("always");
});

/** The one row of this process for the BAR. */
function ownRow() {
  const { processes } = inspectMachine(LIVE, [process.pid]);
  const rows = processes
    .flatMap(({ mappings }) => mappings)
    .filter(({ identity }) => identity.region === bar);
  const [row] = rows;
  assert.ok(row !== undefined && rows.length === 1, `${rows.length} rows`);
  assert.equal(row.identity.device, bdf);
  return { verdict: row.verdict, codes: row.reasons.map(({ code }) => code) };
}

describe("inspect, of this process", () => {
  it("sees the advice that the library gives, and that another program does not", (t) => {
    setTransparentHugepage("madvise");
    t.after(() => setTransparentHugepage("always"));
    const advised = openDevice(t, bdf, "group").region(bar).map();
    assert.deepEqual(ownRow(), { verdict: "huge", codes: [] });
    advised.close();
  });

  it("sees that no advice was given", (t) => {
    setTransparentHugepage("madvise");
    t.after(() => setTransparentHugepage("always"));
    const mapping = openDevice(t, bdf, "group", withoutAdvice).region(bar).map();
    assert.deepEqual(
      ownRow(),
      kernelFacts.asks ? { verdict: "small", codes: ["thp-gate"] } : { verdict: "huge", codes: [] },
    );
    mapping.close();
  });
});

describe("trace", () => {
  it("counts each leaf once where the mapping is aligned", async (t) => {
    const mapping = openDevice(t, bdf, "group").region(bar).map();
    const faults = await traceWhile(() => {
      for (const offset of steps(64 * GIB, pmdSize)) mapping.read8(offset);
    });
    assert.deepEqual(tally(faults), [
      { order: orderOf(largest), done: (64 * GIB) / largest, fellBack: 0, failed: 0 },
    ]);
    assert.deepEqual(
      faults.map(({ pid, device, region }) => [pid, device, region]),
      [[process.pid, bdf, bar]],
    );
    mapping.close();
  });

  it("counts what falls back", async (t) => {
    // Where the kernel chooses the address, it is hardly ever a multiple of the largest leaf.
    const mapping = openDevice(t, bdf, "group").region(bar).map({ strategy: "none" });
    const [spans = []] = mapping.layout.spans;
    // Not at its edge: what lies below there may have tables already that the kernel then does not ask for larger leaves over.
    const offsets = steps(32 * pmdSize, pmdSize).map((offset) => 2 * GIB + offset);
    const { tally: expected } = leavesAt(spans, offsets);
    const faults = await traceWhile(() => {
      for (const offset of offsets) mapping.read8(offset);
    });
    const counted = tally(faults);
    t.diagnostic(`strategy none at 0x${mapping.base.toString(16)}: ${JSON.stringify(counted)}`);
    const doneOf = (size: number): number => expected.find((leaf) => leaf.size === size)?.count ?? 0;
    // A fault that finds no larger leaf is taken a second time, with the lock of the whole address space, where the first
    // had that of the mapping alone (mm/memory.c, vmf_can_call_fault): then the kernel asks for a PMD's leaf again.
    const pmdOrder = orderOf(pmdSize);
    const fellBack = counted.find(({ order }) => order === pmdOrder)?.fellBack;
    const times = fellBack === 2 * doneOf(pageSize) ? 2 : 1;
    // Asked once for each PUD: then it has a table of smaller leaves.
    const puds = new Set(offsets.map((offset) => (mapping.base + BigInt(offset)) / BigInt(model.pudSize)));
    const rowOf = (size: number, others: number) => ({
      order: orderOf(size),
      done: doneOf(size),
      fellBack: others,
      failed: 0,
    });
    assert.deepEqual(
      counted,
      [
        ...(model.pudLeaf ? [rowOf(model.pudSize, puds.size - doneOf(model.pudSize))] : []),
        rowOf(pmdSize, times * doneOf(pageSize)),
        rowOf(pageSize, 0),
      ].filter((row) => row.done + row.fellBack > 0),
    );
    mapping.close();
  });

  it("counts base pages where the setting allows no others, and the kernel asks it", async (t) => {
    setTransparentHugepage("madvise");
    t.after(() => setTransparentHugepage("always"));
    const mapping = openDevice(t, bdf, "group", withoutAdvice).region(bar).map();
    const faults = await traceWhile(() => {
      for (const offset of steps(1024 * pageSize, pageSize)) mapping.read8(offset);
    });
    const order = kernelFacts.asks ? { order: 0, done: 1024 } : { order: orderOf(largest), done: 1 };
    assert.deepEqual(tally(faults), [{ ...order, fellBack: 0, failed: 0 }]);
    mapping.close();
  });
});

function tally(faults: readonly TracedFaults[]) {
  return faults.map(({ order, done, fellBack, failed }) => ({ order, done, fellBack, failed }));
}
