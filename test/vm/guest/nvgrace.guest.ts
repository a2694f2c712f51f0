/** What hugebar says of the memory that Linux' own nvgrace-gpu shows, held against what that driver does on this kernel. */

import assert from "node:assert/strict";
import { before, describe, it } from "node:test";

import { inspectMachine } from "../../../src/inspect/inspect.ts";
import type { InspectedMapping } from "../../../src/inspect/judge/region-mappings.ts";
import { LIVE } from "../../../src/inspect/proc/machine.ts";
import { GIB, KIB, MIB } from "../../../src/layout/sizes.ts";
import { readMemoryCounters } from "../../../src/memory/counters.ts";
import { leavesInTables, runTool } from "./inspected-qemu.ts";
import { openDevice } from "./open.ts";
import { pageSize } from "./paging.ts";
import { bindTo } from "./pci.ts";
import { guestQemus, holdWithQemu } from "./qemu.ts";
import { withoutDma } from "./qtest.ts";
import { steps } from "./touching.ts";
import { traceWhile } from "./trace-while.ts";
import { setTransparentHugepage } from "./transparent-hugepage.ts";

const bdf = "0000:00:18.0";
const isGb200 = process.env["LIKENESS"] === "gb200";
const memory = 0x2f_00f0_0000;
const base = 0x4000_0000_0000n;
/** Of a GH200, what is no multiple of 512 MiB, and 1 GiB at least, is region 2. */
const reserved = isGb200 ? 0 : GIB + (memory % (512 * MIB));

const size = memory - reserved;
const laysHuge = process.env["LAYS"] === "huge pages";
const rest = size % (512 * MIB);
const expected = {
  leaves: laysHuge
    ? [
        { size: 512 * MIB, count: Math.floor(size / (512 * MIB)) },
        ...(rest === 0 ? [] : [{ size: pageSize, count: rest / pageSize }]),
      ]
    : [{ size: pageSize, count: size / pageSize }],
};

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

  it("lays what map predicts and inspect says", (t) => {
    const region = openDevice(t, bdf, "group").region(4);
    const before = readMemoryCounters();
    const mapping = region.map();
    const after = readMemoryCounters();
    const there = after.vmPteBytes - before.vmPteBytes;
    t.diagnostic(`mapped at 0x${mapping.base.toString(16)}: ${there / KIB} KiB of page tables by then`);
    assert.deepEqual(mapping.layout.leaves, expected.leaves);
    if (!laysHuge) assert.ok(there >= (size / pageSize) * 8, "they are there before any fault");

    const row = onlyRow(process.pid);
    t.diagnostic(`${row.verdict}: ${row.reasons.map(({ code, advice }) => `${code}: ${advice}`).join("; ")}`);
    assert.equal(row.verdict, laysHuge ? "huge" : "small");
    assert.deepEqual(row.now?.leaves, expected.leaves);
    if (!laysHuge) assert.match(row.reasons[0]?.advice ?? "", /use Linux 6\.19 or newer/);

    const verification = mapping.verify();
    t.diagnostic(
      JSON.stringify({ ...verification, leaves: undefined }, (_, value: unknown) => String(value)),
    );
    assert.equal(verification.verdict, laysHuge ? "agrees" : "inconclusive");
    assert.deepEqual(leavesInTables(process.pid, 4), expected.leaves);
    mapping.close();
  });

  it("is traced while it lays them", async (t) => {
    const mapping = openDevice(t, bdf, "group").region(4).map();
    const traced = await traceWhile(async () => {
      for (const offset of steps(size, 512 * MIB)) mapping.read32(offset);
    });
    assert.deepEqual(
      traced
        .map(({ pid, device, region, order, done }) => ({ pid, device, region, order, done }))
        .filter(({ done }) => done > 0),
      // Base pages are laid without a fault.
      laysHuge ? traces(mapping.layout.leaves.length) : [],
    );
    mapping.close();
  });

  for (const role of guestQemus) {
    it(`is judged in the hands of a QEMU that is ${role}`, async (t) => {
      const { pid, stop } = await holdWithQemu(role, bdf, "group", { more: withoutDma });
      t.after(stop);
      const row = onlyRow(pid);
      const [vma] = row.vmas;
      assert.ok(vma !== undefined);
      const isAligned = (vma.start - base) % BigInt(512 * MIB) === 0n;
      t.diagnostic(
        `at 0x${vma.start.toString(16)}: ${row.verdict}: ${row.reasons.map(({ advice }) => advice).join("; ")}`,
      );
      if (role === "region-aligned") assert.ok(isAligned);
      assert.equal(row.verdict, laysHuge && isAligned ? "huge" : "small");
      if (!laysHuge) assert.match(row.reasons[0]?.advice ?? "", /use Linux 6\.19 or newer/);
      const doctor = runTool("doctor", "--json");
      assert.match(doctor.stdout, row.verdict === "huge" ? /regions? (?:is|are) huge/ : /"small, [^"]*qemu/);
    });
  }
});

/** The one row of the memory, in the hands of one process. */
function onlyRow(pid: number): InspectedMapping {
  const rows = inspectMachine(LIVE, [pid]).processes.flatMap(({ mappings }) => mappings);
  const [row, ...others] = rows.filter(({ identity }) => identity.region === 4);
  assert.ok(
    row !== undefined && others.length === 0,
    JSON.stringify(rows.map(({ identity }) => identity.region)),
  );
  // Sysfs has no BAR there; the device tree tells of it.
  const { device, region: index, regionSize, offset, physical } = row.identity;
  assert.deepEqual(
    { device, index, regionSize, offset, physical },
    { device: bdf, index: 4, regionSize: 256 * GIB, offset: 0, physical: base },
  );
  return row;
}

/** A touch in each block of 512 MiB. */
function traces(sizes: number) {
  const row = { pid: process.pid, device: bdf, region: 4 };
  const whole = { ...row, order: 13, done: Math.floor(size / (512 * MIB)) };
  return sizes === 1 ? [whole] : [whole, { ...row, order: 0, done: 1 }];
}
