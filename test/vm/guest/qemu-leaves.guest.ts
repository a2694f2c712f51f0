/** What inspect says of three programs that nobody here wrote, held against what the kernel lays for them. */

import assert from "node:assert/strict";
import { before, describe, it } from "node:test";

import { GIB } from "../../../src/layout/sizes.ts";
import { bdf, checkWithTool, inspectQemu, verdictAt } from "./inspected-qemu.ts";
import { kernelFacts } from "./kernel.ts";
import { largest, pageSize, pmdSize } from "./paging.ts";
import { bindTo } from "./pci.ts";
import { guestQemus } from "./qemu.ts";
import { steps } from "./touching.ts";
import { setTransparentHugepage } from "./transparent-hugepage.ts";

const barSize = 64 * GIB;

/** Each PMD's block in the first gigabytes, and some hundred pages of one of them. */
const someOffsets = [...steps(4 * GIB, pmdSize), ...steps(512 * pageSize, pageSize)];

before(() => {
  bindTo(bdf);
  setTransparentHugepage("always");
});

describe("a 64 GiB BAR held by QEMU", () => {
  for (const role of guestQemus) {
    it(`is judged as it is mapped by a QEMU that is ${role}, and takes the leaves that are predicted`, async (t) => {
      const { address, mapping, touch } = await inspectQemu(t, role);
      const verdict = verdictAt(address);
      // The kernel, where the address is left to it, aligns whole multiples of a PMD's leaf to that (__get_unmapped_area).
      if (role !== "unaligned") assert.equal(verdict, "huge");
      assert.equal(mapping.verdict, verdict);
      const reasons = mapping.reasons.map(({ code }) => code);
      assert.deepEqual(reasons, verdict === "huge" ? [] : ["misaligned"]);
      assert.deepEqual(mapping.best?.leaves, [{ size: largest, count: barSize / largest }]);
      await touch(someOffsets);
    });
  }

  for (const mode of ["madvise", "never"] as const) {
    it(`is judged by what the kernel asks where transparent huge pages are set to ${mode}`, async (t) => {
      setTransparentHugepage(mode);
      t.after(() => setTransparentHugepage("always"));
      const { pid, address, mapping, touch } = await inspectQemu(t, "region-aligned");
      assert.equal(verdictAt(address), "huge", "but for the setting");
      // QEMU asks for huge pages for all it maps (system/physmem.c, ram_block_add), so madvise lets it have them.
      const isClosed = mode === "never" && kernelFacts.asks;
      assert.equal(mapping.verdict, isClosed ? "small" : "huge");
      const reasons = mapping.reasons.map(({ code }) => code);
      assert.deepEqual(reasons, isClosed ? ["thp-gate"] : []);
      assert.equal(mapping.now?.faults, barSize / (isClosed ? pageSize : largest));
      const checked = checkWithTool(pid);
      assert.deepEqual(checked, { status: isClosed ? 1 : 0, verdicts: [mapping.verdict, "huge"] });
      // All of it where it costs page tables: each of them is then there.
      await touch(isClosed ? steps(barSize, pmdSize) : someOffsets);
    });
  }
});
