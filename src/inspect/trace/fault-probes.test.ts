import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { faultProbes } from "./fault-probes.ts";

async function placesIn(t: TestContext, kallsyms: string): Promise<string[]> {
  const proc = mkdtempSync(join(tmpdir(), "hugebar-kallsyms-"));
  t.after(() => rmSync(proc, { recursive: true }));
  writeFileSync(join(proc, "kallsyms"), kallsyms);
  return (await faultProbes(proc)).map(({ place }) => place);
}

describe("faultProbes", () => {
  it("names the handlers, of modules too", async (t) => {
    const kallsyms = `ffffffff81000000 T _text
ffffffff81a01230 t vfio_pci_mmap_huge_fault
ffffffffc0a01230 t nvgrace_gpu_vfio_pci_fault\t[nvgrace_gpu_vfio_pci]
ffffffffc0a01240 t nvgrace_gpu_other\t[nvgrace_gpu_vfio_pci]
`;
    assert.deepEqual(await placesIn(t, kallsyms), [
      "vfio_pci_mmap_huge_fault",
      "nvgrace_gpu_vfio_pci:nvgrace_gpu_vfio_pci_fault",
    ]);
  });

  it("tells two of one name apart by where they lie, as far as that is shown", async (t) => {
    const two = (first: string, second: string): string =>
      `ffff800080000000 T _text
${first} t nvgrace_gpu_vfio_pci_huge_fault
${second} t nvgrace_gpu_vfio_pci_huge_fault
`;
    assert.deepEqual(await placesIn(t, two("ffff800080801230", "ffff800080901230")), [
      "_text+0x801230",
      "_text+0x901230",
    ]);
    const hidden = "0".repeat(16);
    assert.deepEqual(
      new Set(await placesIn(t, two(hidden, hidden))),
      new Set(["nvgrace_gpu_vfio_pci_huge_fault"]),
    );
  });

  it("says that a kernel has none", async (t) => {
    await assert.rejects(placesIn(t, "ffffffff81000000 T _text\n"), { code: "ERR_NOT_SUPPORTED" });
  });
});
