import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { faultCounter } from "./trace-events.ts";

function line(comm: string, event = "huge", order = 9, ret = "0x100", pid = "   8100"): string {
  return `${comm.padStart(16)}-8102    (${pid}) [003] .....  4518.617381: ${event}: (do_fault+0x3b/0x1a0 <- vfio_pci_mmap_huge_fault) order=${order} start=0x7f1234000000 ret=${ret}\n`;
}

function countsOf(text: string, mostKinds?: number, processOf = (_tid: number) => 0) {
  const counter = faultCounter(processOf, mostKinds);
  counter.take(text);
  return { counts: counter.counts(), uncounted: counter.uncounted };
}

const fault = { tid: 8102, pid: 8100, start: 0x7f1234000000n, order: 9, answer: 0x100, count: 1 };

describe("faultCounter", () => {
  it("counts a fault of each kind", () => {
    assert.deepEqual(countsOf(line("qemu") + line("qemu") + line("qemu", "huge", 18, "0x800")).counts, [
      { ...fault, count: 2 },
      { ...fault, order: 18, answer: 0x800 },
    ]);
  });

  it("counts a base page that both functions report once, and one that only one reports too", () => {
    const both = line("qemu", "huge", 0) + line("qemu", "page", 0);
    assert.deepEqual(countsOf(both).counts, [{ ...fault, order: 0 }]);
    assert.deepEqual(countsOf(both + line("qemu", "page", 0)).counts, [{ ...fault, order: 0, count: 2 }]);
    assert.deepEqual(countsOf(line("qemu", "page", 0)).counts, [{ ...fault, order: 0 }]);
  });

  it("knows no process where the kernel has forgotten it, until a later line tells", () => {
    const forgotten = line("qemu", "huge", 9, "0x100", "-------");
    assert.deepEqual(countsOf(forgotten).counts, [{ ...fault, pid: 0 }]);
    assert.deepEqual(countsOf(forgotten + line("qemu")).counts, [{ ...fault, count: 2 }]);
  });

  it("asks whose thread it is where the kernel does not know yet, once for each kind of fault", () => {
    const asked: number[] = [];
    const processOf = (tid: number) => asked.push(tid) && 8100;
    const unknown = line("qemu", "huge", 9, "0x100", "-------");
    assert.deepEqual(countsOf(unknown + unknown, undefined, processOf).counts, [{ ...fault, count: 2 }]);
    assert.deepEqual(countsOf(line("qemu"), undefined, processOf).counts, [fault]);
    assert.deepEqual(asked, [8102]);
  });

  it("takes text in any pieces", () => {
    const text = [line("a b"), "CPU:1 [LOST 99 EVENTS]\n", line("c", "page", 0), line("")].join("");
    fc.assert(
      fc.property(fc.array(fc.nat(text.length), { maxLength: 6 }), (cuts) => {
        const counter = faultCounter(() => 0);
        const places = [0, ...cuts.sort((a, b) => a - b), text.length];
        for (const [index, place] of places.entries())
          counter.take(text.slice(places[index - 1] ?? 0, place));
        assert.deepEqual(counter.counts(), countsOf(text).counts);
      }),
    );
  });

  it("is not misled by the name of a thread", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary-ascii", maxLength: 15 }), (comm) => {
        const { counts } = countsOf(line(comm));
        if (!/[\n\r]/.test(comm)) assert.deepEqual(counts, [fault]);
      }),
    );
    assert.deepEqual(countsOf(line("-1 ( 2) [0] a: ")).counts, [fault]);
    assert.deepEqual(countsOf(line("x: page: () ord")).counts, [fault]);
  });

  it("keeps to a bounded number of kinds, and counts the rest", () => {
    const { counts, uncounted } = countsOf([1, 2, 3, 1].map((order) => line("q", "huge", order)).join(""), 2);
    assert.deepEqual([counts.map(({ count }) => count), uncounted], [[2, 1], 1]);
  });
});
