/** What hugebar says of the memory that Linux' own nvgrace-gpu shows, held against what that driver does on this kernel. */

import assert from "node:assert/strict";
import { before, describe, it } from "node:test";

import { inspectMachine } from "../../../src/inspect/inspect.ts";
import { LIVE } from "../../../src/inspect/proc/machine.ts";
import { GIB, KIB, MIB } from "../../../src/layout/sizes.ts";
import { readMemoryCounters } from "../../../src/memory/counters.ts";
import { openDevice } from "./open.ts";
import { pageSize } from "./paging.ts";
import { bindTo } from "./pci.ts";
import { setTransparentHugepage } from "./transparent-hugepage.ts";

const bdf = "0000:00:18.0";
const isGb200 = process.env["LIKENESS"] === "gb200";
const memory = 0x2f_00f0_0000;
const base = 0x4000_0000_0000n;
/** Of a GH200, what is no multiple of 512 MiB, and 1 GiB at least, is region 2. */
const reserved = isGb200 ? 0 : GIB + (memory % (512 * MIB));

before(() => {
  bindTo(bdf, "nvgrace_gpu_vfio_pci");
  setTransparentHugepage("always");
});

describe("nvgrace-gpu", () => {
  it("has all of the memory in regions that are no BARs", (t) => {
    const device = openDevice(t, bdf, "group");
    const { areas } = device.region(4);
    assert.deepEqual(areas, [{ offset: 0, size: memory - reserved }]);
    assert.equal(device.region(4).physical, base);
    if (isGb200) return;
    assert.deepEqual(device.region(2).areas, [{ offset: 0, size: reserved }]);
    assert.equal(device.region(2).physical, base + BigInt(memory - reserved));
  });

  it("lays base pages as it maps, whatever the alignment, as map predicts and inspect says", (t) => {
    const region = openDevice(t, bdf, "group").region(4);
    const before = readMemoryCounters();
    const mapping = region.map();
    const after = readMemoryCounters();
    const size = memory - reserved;
    t.diagnostic(
      `mapped at 0x${mapping.base.toString(16)}: ${(after.vmPteBytes - before.vmPteBytes) / KIB} KiB of page tables by then`,
    );
    assert.deepEqual(mapping.layout.leaves, [{ size: pageSize, count: size / pageSize }]);
    assert.ok(
      after.vmPteBytes - before.vmPteBytes >= (size / pageSize) * 8,
      "they are there before any fault",
    );

    const [row, ...others] = inspectMachine(LIVE, [process.pid]).processes[0]?.mappings ?? [];
    assert.ok(row !== undefined && others.length === 0);
    // Sysfs has no BAR there; the device tree tells of it.
    const { device, region: index, regionSize, offset, physical } = row.identity;
    assert.deepEqual(
      { device, index, regionSize, offset, physical },
      { device: bdf, index: 4, regionSize: 256 * GIB, offset: 0, physical: base },
    );
    t.diagnostic(`${row.verdict}: ${row.reasons.map(({ code, advice }) => `${code}: ${advice}`).join("; ")}`);
    assert.equal(row.verdict, "small");
    assert.deepEqual(row.now?.leaves, [{ size: pageSize, count: size / pageSize }]);
    mapping.close();
  });
});
