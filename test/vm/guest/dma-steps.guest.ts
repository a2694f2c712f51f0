/** What it takes to map device memory for DMA, held against the calls that the kernel makes. */

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, it } from "node:test";

import { countLeaves, leafSpans } from "../../../src/layout/leaves.ts";
import { pagingModels } from "../../../src/layout/paging.ts";
import { GIB, KIB, MIB } from "../../../src/layout/sizes.ts";
import { mapDmaSteps } from "../../../src/rules/dma-steps.ts";
import { bar, bdf } from "./inspected-qemu.ts";
import { kernelFacts } from "./kernel.ts";
import { hasKvm } from "./kvm/has-kvm.ts";
import { layShape } from "./kvm/laid-shape.ts";
import { bindTo, readAttribute } from "./pci.ts";
import { setTransparentHugepage } from "./transparent-hugepage.ts";

const tracing = "/sys/kernel/tracing";
const iova = 0x1_0000_0000n;

before(() => {
  assert.ok(hasKvm());
  bindTo(bdf);
  setTransparentHugepage("always");
});

/** How often the kernel looks a page frame up while `run` does. */
function lookUpsOf(run: () => void): number {
  writeFileSync(join(tracing, "kprobe_events"), "p:hugebar/look_up follow_pfnmap_start\n");
  try {
    writeFileSync(join(tracing, "events/hugebar/enable"), "1");
    run();
    writeFileSync(join(tracing, "events/hugebar/enable"), "0");
    // Name, hits, and those that were missed.
    const [, hits, missed] =
      /^\s*look_up\s+(\d+)\s+(\d+)$/m.exec(readFileSync(join(tracing, "kprobe_profile"), "utf8")) ?? [];
    assert.equal(missed, "0");
    return Number(hits);
  } finally {
    writeFileSync(join(tracing, "kprobe_events"), "");
  }
}

describe("mapping device memory for DMA", () => {
  for (const [name, host, size] of [
    ["congruent to 1 GiB", 0, GIB],
    ["off by 2 MiB", 2 * MIB, GIB],
    ["off by a page", 4 * KIB, 64 * MIB],
  ] as const) {
    for (const touched of [false, true]) {
      it(`takes the predicted steps: ${name}, ${touched ? "touched before" : "untouched"}`, (t) => {
        const { base, dma } = layShape(t, { host, areas: [{ offset: 0, size }], slots: [] });
        const [start = ""] = readAttribute(bdf, "resource").split("\n")[bar]?.split(" ") ?? [];
        const spans = leafSpans({ address: base, size, physical: BigInt(start) }, pagingModels["x86-64"]);
        const range = { address: base, iova, size, readable: true, writable: true };
        if (touched) {
          dma.map(range);
          dma.unmap(iova, size);
        }
        const looked = lookUpsOf(() => dma.map(range));
        dma.unmap(iova, size);
        const { least, most } = mapDmaSteps(kernelFacts.release, countLeaves(spans), 4096, { touched });
        t.diagnostic(`${looked} look-ups, predicted ${least} to ${most}`);
        assert.ok(looked >= least && looked <= most);
      });
    }
  }
});
