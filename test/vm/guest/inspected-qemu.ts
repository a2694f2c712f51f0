/** A real QEMU that holds a large BAR: what inspect says of it, and what the kernel lays when QEMU touches it. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";

import { inspectMachine } from "../../../src/inspect/inspect.ts";
import { inspectTables } from "../../../src/inspect/inspect-tables.ts";
import { inspectionJson } from "../../../src/inspect/inspection-json.ts";
import { LIVE } from "../../../src/inspect/proc/machine.ts";
import { recordMachine } from "../../../src/inspect/record.ts";
import type { InspectedMapping } from "../../../src/inspect/judge/region-mappings.ts";
import type { VfioApi } from "../../../src/vfio/container.ts";
import type { TracedFaults } from "../../../src/inspect/trace/traced-faults.ts";
import type { LeafCount } from "../../../src/layout/leaves.ts";
import { pageTableBytes } from "../../../src/layout/page-tables.ts";
import { documentedKeys, keysOf } from "../../support/json-keys.ts";
import type { QemuRole } from "../provision/qemu.ts";
import { leavesTakenBy } from "./huge-faults.ts";
import { kernelFacts } from "./kernel.ts";
import { largest, model, pageSize, pmdSize } from "./paging.ts";
import { readAttribute } from "./pci.ts";
import { holdWithQemu, slot } from "./qemu.ts";
import { placeBar, readBar, withoutDma } from "./qtest.ts";
import { leavesAt } from "./touching.ts";
import { traceWhile } from "./trace-while.ts";

export const bdf = "0000:00:10.0";
export const bar = 2;

/** What a paused QEMU may allocate meanwhile, and the tables above those that are counted. */
const tablesBeside = 16 * pageSize;

export interface InspectedQemu {
  readonly pid: number;
  readonly address: bigint;
  /** What inspect says of the BAR. */
  readonly mapping: InspectedMapping;
  /** Has QEMU read a byte at each offset, and holds what the kernel does against what inspect said. */
  readonly touch: (offsets: readonly number[]) => Promise<void>;
  /** Has QEMU read a byte at each offset, once `touch` has been called, and returns what trace counts meanwhile. */
  readonly trace: (offsets: readonly number[]) => Promise<readonly TracedFaults[]>;
}

/** Starts a QEMU with the device and finds its BAR among all mappings of the machine. */
export async function inspectQemu(
  t: TestContext,
  role: QemuRole,
  api: VfioApi = "group",
): Promise<InspectedQemu> {
  const { pid, qtest, stop } = await holdWithQemu(role, bdf, api, { more: withoutDma });
  t.after(stop);
  const [process, ...others] = inspectMachine(LIVE).processes;
  assert.equal(others.length, 0, "nobody else holds a device");
  assert.equal(process?.pid, pid);
  const mapping = process.mappings.find(({ identity }) => identity.region === bar);
  assert.ok(mapping !== undefined, JSON.stringify(process.mappings.map(({ identity }) => identity.region)));
  const [vma, ...rest] = mapping.vmas;
  assert.ok(vma !== undefined && rest.length === 0);
  assert.equal(mapping.kind, `vfio-${api}`);
  const { device, offset, physical } = mapping.identity;
  assert.deepEqual({ device, offset, physical }, { device: bdf, offset: 0, physical: physicalAddress() });
  assertRecorded(pid);
  t.diagnostic(
    `QEMU (${role}) at 0x${vma.start.toString(16)}: ${mapping.verdict}, ${mapping.now?.faults} faults, ` +
      `${mapping.now?.pageTableBytes} bytes of page tables; ${mapping.reasons.map(({ advice }) => advice).join("; ")}`,
  );
  return {
    pid,
    address: vma.start,
    mapping,
    async touch(offsets) {
      const spans = leavesAt(mapping.now?.spans[0] ?? [], offsets);
      const predicted = pageTableBytes([{ address: vma.start, spans: spans.spans }], model);
      await placeBar(qtest, slot, bar);
      const before = costsOf(pid);
      const tally = await leavesTakenBy(() => readBar(qtest, offsets));
      const after = costsOf(pid);
      const tables = after.tables - before.tables;
      t.diagnostic(
        `${offsets.length} reads: ${JSON.stringify(tally)}, ${after.faults - before.faults} faults, ` +
          `VmPTE grew by ${tables}, predicted ${predicted}`,
      );
      assert.deepEqual(tally, spans.tally);
      if (kernelFacts.tables) assert.deepEqual(leavesInTables(pid), tally, "inspect --tables");
      assert.ok(after.faults - before.faults >= spans.spans.length);
      assert.ok(Math.abs(tables - predicted) <= tablesBeside, `VmPTE grew by ${tables}, not ${predicted}`);
    },
    trace: (offsets) => traceWhile(() => readBar(qtest, offsets)),
  };
}

/** The leaves of a region that inspect --tables finds. */
export function leavesInTables(pid: number, region = bar): readonly LeafCount[] | null | undefined {
  const [holder] = inspectTables(inspectMachine(LIVE, [pid], { smaps: "never" })).processes;
  return holder?.mappings.find(({ identity }) => identity.region === region)?.tables?.leaves;
}

/** Holds that a recording of the machine says of the process what the machine itself does. */
function assertRecorded(pid: number): void {
  const folder = mkdtempSync("/tmp/recording-");
  recordMachine(LIVE, folder);
  const recorded = inspectMachine({ proc: join(folder, "proc"), sys: join(folder, "sys") }, [pid]);
  rmSync(folder, { recursive: true });
  // As record looks, which reads smaps of as few as it takes.
  const live = inspectMachine(LIVE, [pid], { smaps: "needed" });
  assert.deepEqual(inspectionJson({ ...recorded, time: live.time }), inspectionJson(live));
}

/** What the shape of the page tables makes of a mapping, gate or no gate: no leaf unless it is congruent. */
export function verdictAt(address: bigint): "huge" | "partial" | "small" {
  const apart = address - physicalAddress();
  if (apart % BigInt(largest) === 0n) return "huge";
  return apart % BigInt(pmdSize) === 0n ? "partial" : "small";
}

/** Where the BAR lies, by sysfs. */
function physicalAddress(): bigint {
  return BigInt(readAttribute(bdf, "resource").split("\n")[bar]?.split(" ")[0] ?? "");
}

/** Minor faults and page tables of another process. */
export function costsOf(pid: number): { faults: number; tables: number } {
  // The fields count from behind the name, which may hold anything: minflt is the tenth of all (proc(5)).
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const kib = /^VmPTE:\s*(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return { faults: Number(fields[7]), tables: Number(kib) * 1024 };
}

/** What stands in JSON only where there is such a thing: not of a paused QEMU in a guest without systemd. */
const OPTIONAL = /\.(?:tables|guests|between|owner|candidates)\b./;

/** Runs `hugebar inspect --check --json PID`, and holds against it what `hugebar doctor` says of the only holder. */
export function checkWithTool(pid: number): { status: number | null; verdicts: (string | undefined)[] } {
  const { status, stdout } = runTool("inspect", "--check", "--json", String(pid));
  const [printed, documented] = [keysOf(stdout), documentedKeys("inspect")];
  assert.deepEqual(
    printed.filter((key) => !documented.includes(key)),
    [],
  );
  assert.deepEqual(
    documented.filter((key) => !OPTIONAL.test(key) && !printed.includes(key)),
    [],
  );
  const verdicts = [...stdout.matchAll(/"verdict": "(\w+)"/g)].map(([, verdict]) => verdict);
  const doctor = runTool("doctor", "--json");
  assert.deepEqual(keysOf(doctor.stdout), documentedKeys("doctor"));
  for (const verdict of new Set(verdicts)) {
    const count = verdicts.filter((each) => each === verdict).length;
    // The good ones are counted, the others named.
    const text =
      verdict === "huge"
        ? `"${count} regions? (?:is|are) huge, in 1 process"`
        : `"${verdict}, [^"]*of 0000:00:10\\.0 in ${pid} qemu`;
    assert.match(doctor.stdout, new RegExp(text));
  }
  if (status === 1) assert.equal(doctor.status, 1);
  return { status, verdicts };
}

export function runTool(...words: readonly string[]): { status: number | null; stdout: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, ["src/cli/main.ts", ...words], {
    encoding: "utf8",
  });
  assert.equal(stderr, "");
  return { status, stdout };
}
