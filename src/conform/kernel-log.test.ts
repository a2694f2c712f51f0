import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isComplaint, type LogRecord, openKernelLog } from "./kernel-log.ts";

const bad = "mm/pgtable-generic.c:29: bad pud 00000000deadbeef(8000003ff0000ce7)";
const records = (from: number, ...texts: readonly string[]): LogRecord[] =>
  texts.map((text, index) => ({ sequence: from + index, text }));

describe("openKernelLog", () => {
  it("tells what was said since, though what was said before is overwritten", () => {
    let there = records(5, bad, bad, "quiet");
    const since = openKernelLog(() => there);
    assert.deepEqual(since?.(), { complaints: [], lost: false });
    there = records(7, "quiet", bad);
    assert.deepEqual(since?.(), { complaints: [bad], lost: false });
  });

  it("says that records are lost", () => {
    let there = records(5, "quiet");
    const since = openKernelLog(() => there);
    there = records(7, "quiet");
    assert.deepEqual(since?.(), { complaints: [], lost: true });
  });

  it("knows a log that is empty at first, and one that may not be read", () => {
    let there: LogRecord[] = [];
    const since = openKernelLog(() => there);
    there = records(0, bad);
    assert.deepEqual(since?.().complaints, [bad]);
    const closed = openKernelLog(() => {
      throw new Error("EPERM");
    });
    assert.equal(closed, null);
  });
});

describe("isComplaint", () => {
  it("is what the kernel says of page tables", () => {
    for (const text of [
      bad,
      "BUG: Bad page map in process node  pte:8000003ff0000225 pmd:1052c3067",
      "BUG: unable to handle page fault for address: ffffa0c1c0000000",
      "WARNING: CPU: 1 PID: 311 at mm/huge_memory.c:2412 __split_huge_pmd+0x8d/0x1f0",
      "WARNING: drivers/vfio/pci/vfio_pci_core.c:1690 at vfio_pci_mmap_huge_fault+0x1/0x2, CPU#0: node/311",
      "WARNING: CPU: 0 PID: 1 at ./include/linux/mm.h:1 f+0x1/0x2",
      "WARNING: CPU: 0 PID: 1 at arch/x86/kvm/mmu/mmu.c:1 f+0x1/0x2",
    ])
      assert.equal(isComplaint(text), true, text);
  });

  it("is nothing that others do", () => {
    for (const text of [
      "WARNING: CPU: 0 PID: 77 at drivers/iommu/dma-iommu.c:1 f+0x1/0x2",
      "WARNING: CPU: 0 PID: 77 at drivers/gpu/drm/drm_mm.c:1 f+0x1/0x2",
      "WARNING: CPU: 0 PID: 77 at drivers/net/of/include/mm/a.h:1 f+0x1/0x2",
      "WARNING: net/core/dev.c:1 at f+0x1/0x2, CPU#3: irq/55",
      "BUG: soft lockup - CPU#0 stuck for 22s! [node:311]",
      "BUG: workqueue lockup - pool cpus=0",
    ])
      assert.equal(isComplaint(text), false, text);
  });
});
