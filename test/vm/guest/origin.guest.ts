/**
 * The machine that hugebar comes from: 188 GiB of a GPU's memory, a driver that does as nvgrace-gpu does there, real QEMUs that
 * place the region in two ways, and what that costs once a guest starts.
 */

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { before, describe, it, type TestContext } from "node:test";

import { inspectMachine } from "../../../src/inspect/inspect.ts";
import { LIVE } from "../../../src/inspect/proc/machine.ts";
import { faultProbes } from "../../../src/inspect/trace/fault-probes.ts";
import { startFaultHistograms } from "../../../src/inspect/trace/fault-histograms.ts";
import { findTracefs } from "../../../src/inspect/trace/trace-instance.ts";
import { KIB, MIB } from "../../../src/layout/sizes.ts";
import type { VfioApi } from "../../../src/vfio/container.ts";
import type { QemuRole } from "../provision/qemu.ts";
import { costsOf, leavesInTables, runTool } from "./inspected-qemu.ts";
import { pageSize } from "./paging.ts";
import { bindTo } from "./pci.ts";
import { guestQemus, holdWithQemu, mappingsOf, slot, vfioMapping } from "./qemu.ts";
import { configWrites, placeBar, readBar, withoutDma } from "./qtest.ts";
import { steps } from "./touching.ts";
import { traceWhile } from "./trace-while.ts";
import { setTransparentHugepage } from "./transparent-hugepage.ts";

const bdf = "0000:00:10.0";
/** Bound first, so that the other becomes vfio1. */
const other = "0000:00:14.0";

/** include/linux/mm_types.h: the leaf is there. */
const VM_FAULT_NOPAGE = 0x100;

/** Where the BAR is for the guest inside: in the window for large ones. */
const PLACE = 0x80_0000_0000n;

interface Placed {
  /** Of the mapping, as `/proc/PID/maps` had it. */
  readonly range: string;
  /** Address space that the machine had taken before, as a guess to start from: what is mapped lies below it. */
  readonly pad: number;
  readonly verdict: "small" | "huge";
  readonly advice: RegExp;
  readonly leaves: readonly { readonly size: number; readonly count: number }[];
  /** What a picture of it says. */
  readonly drawn: readonly RegExp[];
  /**
   * A read in each block of 512 MiB: what trace says that the handler did. Where it falls back it is asked once more, for the kernel
   * begins without the lock that laying a page takes (vmf_can_call_fault).
   */
  readonly traced: readonly { readonly order: number; readonly done: number; readonly fellBack: boolean }[];
}

/** Of a PMD's leaf, in pages of 64 KiB. */
const PMD_ORDER = 13;
const areaSize = 0x2f_00f0_0000;
/** The last is not whole. */
const blocks = Math.ceil(areaSize / (512 * MIB));

const placed: Partial<Record<QemuRole, Placed>> = {
  "area-aligned": {
    range: "ff88ff000000-ffb7fff00000",
    pad: 287 * 1024,
    verdict: "small",
    advice: /0x1f000000 past a 512 MiB boundary.*QEMU 11/,
    leaves: [{ size: 64 * KIB, count: 3_080_432 }],
    drawn: [/3,080,432 × 64 KiB/],
    traced: [
      { order: PMD_ORDER, done: 0, fellBack: true },
      { order: 0, done: blocks, fellBack: false },
    ],
  },
  "region-aligned": {
    range: "ff8ac0000000-ffb9c0f00000",
    pad: 211 * 1024,
    verdict: "huge",
    advice: /^$/,
    leaves: [
      { size: 512 * MIB, count: 376 },
      { size: 64 * KIB, count: 240 },
    ],
    drawn: [/376 × 512 MiB/, /240 × 64 KiB/],
    traced: [
      { order: PMD_ORDER, done: blocks - 1, fellBack: true },
      { order: 0, done: 1, fellBack: false },
    ],
  },
};

before(() => {
  bindTo(other);
  bindTo(bdf, "hugebar-origin");
  setTransparentHugepage("always");
  // The two lines are of a machine without randomisation, or of luck.
  writeFileSync("/proc/sys/kernel/randomize_va_space", "0");
  writeFileSync("/proc/sys/vm/overcommit_memory", "1");
});

/** The line of the BAR's mapping; small ones are of other regions. */
function barLine(pid: number): string {
  const lines = mappingsOf(pid).filter((line) => vfioMapping.test(line) && line.includes(" 400000000000 "));
  assert.equal(lines.length, 1, lines.join("\n"));
  return lines[0] ?? "";
}

/** How much address space has to be taken before for such a QEMU to have the BAR at just this place. */
async function padFor(
  t: TestContext,
  role: QemuRole,
  { range, pad: guess }: Placed,
  {
    api,
    asIs,
    more = [],
  }: { readonly api: VfioApi; readonly asIs: boolean; readonly more?: readonly string[] },
): Promise<number> {
  const wanted = BigInt(`0x${range.split("-")[0]}`);
  let pad = guess;
  for (let tries = 0; tries < 5; tries += 1) {
    const qemu = await holdWithQemu(role, bdf, api, { asIs, more: [...takenBefore(pad), ...more] });
    t.after(qemu.stop);
    const line = barLine(qemu.pid);
    const address = BigInt(`0x${line.split("-")[0]}`);
    t.diagnostic(`with ${pad} MiB taken: ${line}`);
    await qemu.stop();
    if (address === wanted) {
      if (asIs) assert.match(line, new RegExp(`^${range} rw-s 400000000000 .* /dev/vfio/devices/vfio1$`));
      return pad;
    }
    pad += Number((address - wanted) / BigInt(MIB));
  }
  return assert.fail(`no QEMU that is ${role} got the address`);
}

function pictureOf(pid: number): string {
  const { status, stdout } = runTool("inspect", String(pid), "-o", "/tmp/origin.svg");
  assert.equal(status, 0, stdout);
  return readFileSync("/tmp/origin.svg", "utf8");
}

function takenBefore(mebibytes: number): string[] {
  return ["-object", `memory-backend-ram,id=pad,size=${mebibytes}M,reserve=off`];
}

for (const role of guestQemus) {
  const at = placed[role];
  if (at === undefined) continue;
  describe(`the origin's machine, by a QEMU that is ${role}`, () => {
    it("has the origin's line in /proc/PID/maps", async (t) => {
      await padFor(t, role, at, { api: "cdev", asIs: true });
    });

    it("is traced block by block", async (t) => {
      const pad = await padFor(t, role, at, { api: "group", asIs: false, more: withoutDma });
      const { pid, qtest, stop } = await holdWithQemu(role, bdf, "group", {
        more: [...takenBefore(pad), ...withoutDma],
      });
      t.after(stop);
      assert.equal(barLine(pid).split(" ")[0], at.range);
      await placeBar(qtest, slot, 2);
      const traced = await traceWhile(() => readBar(qtest, steps(areaSize, 512 * MIB)));
      assert.deepEqual(
        traced.map(({ order, done, fellBack }) => ({ order, done, fellBack: fellBack > 0 })),
        at.traced,
      );
      assert.ok(traced.every((row) => row.pid === pid && row.device === bdf && row.region === 2));
    });

    it("takes these leaves when the monitor maps the BAR for DMA, as inspect says", async (t) => {
      const pad = await padFor(t, role, at, { api: "group", asIs: false });
      const counting = await startFaultHistograms(
        findTracefs(LIVE.sys),
        await faultProbes(LIVE.proc, "order"),
      );
      t.after(() => counting.stop());
      const { pid, qtest, stop } = await holdWithQemu(role, bdf, "group", { more: takenBefore(pad) });
      t.after(stop);
      assert.equal(barLine(pid).split(" ")[0], at.range);
      const mapping = inspectMachine(LIVE, [pid]).processes[0]?.mappings.find(
        ({ identity }) => identity.region === 2,
      );
      assert.ok(mapping !== undefined);
      const { device, physical } = mapping.identity;
      assert.deepEqual(
        { device, physical, verdict: mapping.verdict, leaves: mapping.now?.leaves },
        { device: bdf, physical: 0x4000_0000_0000n, verdict: at.verdict, leaves: at.leaves },
      );
      assert.match(mapping.reasons.map(({ advice }) => advice).join("; "), at.advice);

      const before = costsOf(pid);
      await qtest.run([
        ...configWrites(slot, 0x18, Number(PLACE & 0xffff_ffffn)),
        ...configWrites(slot, 0x1c, Number(PLACE >> 32n)),
        ...configWrites(slot, 0x04, 2),
      ]);
      const after = costsOf(pid);
      const { tallies, lost } = counting.read();
      const tables = after.tables - before.tables;
      t.diagnostic(
        `${JSON.stringify(tallies)}; once the guest starts ${after.faults - before.faults} faults more, and ${tables / KIB} KiB of page tables`,
      );
      // A part was touched as QEMU started: what a virt machine shows of a BAR at address 0 (hw/arm/virt.c, VIRT_PCIE_MMIO).
      const done = tallies
        .filter(({ answer }) => answer === VM_FAULT_NOPAGE)
        .map(({ order, count }) => ({ size: pageSize * 2 ** order, count }))
        .sort((a, b) => b.size - a.size);
      assert.deepEqual({ done, lost }, { done: at.leaves, lost: 0 });
      const predicted = mapping.now?.pageTableBytes ?? 0;
      assert.deepEqual(leavesInTables(pid), at.leaves, "inspect --tables");
      const picture = pictureOf(pid);
      for (const words of at.drawn) assert.match(picture, words);
      // Four of them may have been there: of what was touched as it started, and for what lies beside the mapping.
      assert.ok(tables <= predicted && tables >= predicted - 4 * pageSize, `${tables}, not ${predicted}`);
    });
  });
}
