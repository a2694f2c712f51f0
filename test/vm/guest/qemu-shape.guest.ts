/** The odd shape of a GB200's memory, one area of 0x2f00f00000 bytes in a BAR of 256 GiB, held by three QEMUs. */

import assert from "node:assert/strict";
import { before, describe, it, type TestContext } from "node:test";

import { formatSize, GIB, KIB, MIB } from "../../../src/layout/sizes.ts";
import type { QemuRole } from "../provision/qemu.ts";
import { bar, bdf, checkWithTool, inspectQemu, verdictAt } from "./inspected-qemu.ts";
import { largest, pageSize, pmdSize } from "./paging.ts";
import { bindTo } from "./pci.ts";
import { guestQemus } from "./qemu.ts";
import { steps } from "./touching.ts";
import { setTransparentHugepage } from "./transparent-hugepage.ts";

const areaSize = 0x2f_00f0_0000;

/** In the first gigabytes, and each of the last thousand pages. */
const someOffsets = [
  ...steps(2 * GIB, pmdSize),
  ...steps(512 * pageSize, pageSize),
  ...steps(1024 * pageSize, pageSize).map((back) => areaSize - pageSize - back),
];

before(() => {
  bindTo(bdf, "hugebar-gb200");
  setTransparentHugepage("always");
});

/** By hand, from the area's size. */
const best = {
  4096: [
    { size: GIB, count: 188 },
    { size: 2 * MIB, count: 7 },
    { size: 4 * KIB, count: 256 },
  ],
  65536: [
    { size: 512 * MIB, count: 376 },
    { size: 64 * KIB, count: 240 },
  ],
}[pageSize];

/** A test with a QEMU of that role, if there is one here. */
function itWith(role: QemuRole, name: string, test: (t: TestContext) => Promise<void>): void {
  if (guestQemus.includes(role)) it(name, test);
}

describe("the shape of a GB200 held by QEMU", () => {
  itWith(
    "unaligned",
    "is small, the address being left to the kernel, and takes a page a fault",
    async (t) => {
      const { pid, address, mapping, touch, trace } = await inspectQemu(t, "unaligned");
      // The kernel aligns mappings of whole multiples of a PMD's leaf only, and puts others right below what is there.
      assert.equal(verdictAt(address), "small");
      assert.equal(mapping.verdict, "small");
      assert.deepEqual(
        mapping.reasons.map(({ code }) => code),
        ["misaligned"],
      );
      assert.match(
        mapping.reasons[0]?.advice ?? "",
        new RegExp(
          `^the mapping starts 0x[0-9a-f]+ past a ${formatSize(largest)} boundary: use QEMU 11 or newer, which aligns whole regions;`,
        ),
      );
      assert.deepEqual(mapping.now?.leaves, [{ size: pageSize, count: areaSize / pageSize }]);
      assert.deepEqual(mapping.best?.leaves, best);
      assert.equal(checkWithTool(pid).status, 1);
      // All of its page tables are then there, 376 MiB on x86-64.
      await touch(steps(areaSize, pmdSize));
      const beside = steps(2 * GIB, 2 * MIB).map((offset) => offset + pageSize);
      const traced = (await trace(beside)).map((row) => [
        row.pid,
        row.device,
        row.region,
        row.order,
        row.done,
        row.fellBack,
      ]);
      assert.deepEqual(traced, [[pid, bdf, bar, 0, beside.length, 0]]);
    },
  );

  itWith("area-aligned", "is not all huge where areas are aligned", async (t) => {
    const { pid, address, mapping, touch } = await inspectQemu(t, "area-aligned");
    assert.equal(address % BigInt(MIB), 0n);
    // The area's own alignment is 1 MiB: it is by chance where more comes of it.
    assert.equal(mapping.verdict, verdictAt(address));
    assert.ok((mapping.now?.faults ?? 0) > (mapping.best?.faults ?? Infinity), "a PMD's leaves at best");
    assert.deepEqual(
      mapping.reasons.map(({ code }) => code),
      ["misaligned"],
    );
    assert.match(mapping.reasons[0]?.advice ?? "", /: use QEMU 11 or newer, which aligns whole regions;/);
    assert.deepEqual(mapping.best?.leaves, best);
    assert.equal(checkWithTool(pid).status, 1);
    await touch(someOffsets);
  });

  for (const api of ["group", "cdev"] as const) {
    itWith("region-aligned", `is as good as can be where regions are aligned, by ${api}`, async (t) => {
      const { mapping, touch } = await inspectQemu(t, "region-aligned", api);
      assert.equal(mapping.verdict, "huge");
      assert.deepEqual(mapping.reasons, []);
      assert.deepEqual(mapping.now?.leaves, best);
      await touch(someOffsets);
    });
  }
});
