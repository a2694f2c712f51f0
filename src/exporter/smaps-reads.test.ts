import assert from "node:assert/strict";
import fs, { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { inspectMachine, type InspectOptions } from "../inspect/inspect.ts";
import { recordMachine } from "../inspect/record.ts";
import { NOTHING_LEARNED } from "../rules/learned.ts";
import type { MachineRoots } from "../vfio/device-uses.ts";
import { scanMetrics } from "./scan.ts";

const MACHINE = new URL("../../test/machines/x86-qemu", import.meta.url).pathname;
const PIDS = [2072, 2100, 2111];
/** linux/magic.h */
const PROC_SUPER_MAGIC = 0x9fa0;

interface Distribution {
  readonly kernel: string;
  readonly setting: "always" | "madvise" | "never";
  readonly eligible: 0 | 1;
  /** The program's name. */
  readonly command?: string;
  readonly advised?: boolean;
}

/** Three processes that map BARs of 16 MiB, 32 MiB and more, one at each's own boundary, on such a kernel. */
function machineOf(t: TestContext, { kernel, setting, eligible, ...of }: Distribution): MachineRoots {
  const folder = mkdtempSync(join(tmpdir(), "hugebar-smaps-"));
  t.after(() => rmSync(folder, { recursive: true }));
  cpSync(MACHINE, folder, { recursive: true, verbatimSymlinks: true });
  const write = (path: string, text: string): void => writeFileSync(join(folder, path), text);
  write("proc/sys/kernel/osrelease", `${kernel}\n`);
  write(
    "sys/kernel/mm/transparent_hugepage/enabled",
    "always madvise never\n".replace(setting, `[${setting}]`),
  );
  const flags = of.advised === false ? "rd wr sh" : "rd wr sh hg";
  for (const pid of PIDS) {
    const maps = readFileSync(join(folder, `proc/${pid}/maps`), "utf8");
    write(
      `proc/${pid}/smaps`,
      maps.replaceAll(/^.+$/gm, `$&\nTHPeligible:    ${eligible}\nVmFlags: ${flags} `),
    );
    if (of.command !== undefined) write(`proc/${pid}/comm`, `${of.command}\n`);
  }
  return { proc: join(folder, "proc"), sys: join(folder, "sys") };
}

/** Makes the machine one that runs: its smaps is the kernel's, and each reading of it is noted. */
function asLive(t: TestContext, { proc }: MachineRoots): { readonly reads: () => number[] } {
  const { openSync, statfsSync } = fs;
  const opened: number[] = [];
  t.mock.method(fs, "openSync", (...args: Parameters<typeof openSync>) => {
    const pid = new RegExp(`^${proc}/(\\d+)/smaps$`).exec(String(args[0]))?.[1];
    if (pid !== undefined) opened.push(Number(pid));
    return openSync(...args);
  });
  t.mock.method(fs, "statfsSync", (path: string) =>
    Object.assign(statfsSync(path), path === proc ? { type: PROC_SUPER_MAGIC } : {}),
  );
  syncBuiltinESMExports();
  t.after(() => {
    t.mock.restoreAll();
    syncBuiltinESMExports();
  });
  return { reads: () => opened.splice(0) };
}

function verdictsOf(roots: MachineRoots, options: InspectOptions = {}, pids: number[] | null = null): string {
  const { processes } = inspectMachine(roots, pids, options);
  const rows = processes.flatMap(({ mappings }) => mappings);
  return [...new Set(rows.map(({ verdict, source }) => `${verdict} ${source}`))].sort().join(", ");
}

/** Of each region, by the exporter. */
function exported({ families }: ReturnType<typeof scanMetrics>): string {
  const verdicts = families.find(({ name }) => name === "hugebar_mapping_verdict")?.samples ?? [];
  const are = verdicts.filter(({ value }) => value === 1).map(({ labels }) => labels["verdict"] ?? "");
  return [...new Set(are)].sort().join(", ");
}

const ubuntu = { kernel: "6.17.0-14-generic", setting: "never", eligible: 1 } as const;
/** Nothing of its name decides, and it says that it does not ask. */
const redHat = { kernel: "6.12.0-200.el10.x86_64", setting: "never", eligible: 1 } as const;

describe("the exporter on a distribution's kernel", () => {
  for (const machine of [ubuntu, redHat, { ...ubuntu, setting: "always" } as const]) {
    it(`reads smaps of one process at most, once: ${machine.kernel}, ${machine.setting}`, (t) => {
      const roots = machineOf(t, machine);
      const { reads } = asLive(t, roots);
      const first = scanMetrics(roots);
      const count = reads().length;
      assert.ok(count <= 1, `${count}`);
      assert.equal(count, machine.setting === "always" ? 0 : 1);
      const second = scanMetrics(roots, first.learned);
      assert.deepEqual(reads(), []);
      assert.equal(JSON.stringify(second.families), JSON.stringify(first.families));
      if (machine.kernel === ubuntu.kernel) assert.equal(exported(first), "huge, small");
    });
  }

  it("reads none of QEMU's where its advice decides, and knows it", (t) => {
    const roots = machineOf(t, { ...ubuntu, setting: "madvise" });
    const { reads } = asLive(t, roots);
    assert.equal(exported(scanMetrics(roots)), "huge, small");
    assert.deepEqual(reads(), []);
  });

  it("does not look again where a look has shown nothing", (t) => {
    const roots = machineOf(t, { ...ubuntu, eligible: 0, command: "other", advised: false });
    const { reads } = asLive(t, roots);
    const first = scanMetrics(roots);
    assert.deepEqual([reads().length, exported(first)], [1, "small, unknown"]);
    assert.deepEqual(first.learned.asks, null);
    assert.equal(exported(scanMetrics(roots, first.learned)), "small, unknown");
    assert.deepEqual(reads(), []);
    // Under another setting it may.
    const file = join(roots.sys, "kernel/mm/transparent_hugepage/enabled");
    writeFileSync(file, "always [madvise] never\n");
    scanMetrics(roots, first.learned);
    assert.equal(reads().length, 1);
  });

  it("asks the process for which the kernel has the least to walk, and does without it where it is gone", (t) => {
    const roots = machineOf(t, ubuntu);
    const { reads } = asLive(t, roots);
    scanMetrics(roots);
    assert.deepEqual(reads(), [2111]);
    rmSync(join(roots.proc, "2111/smaps"));
    const second = scanMetrics(roots);
    assert.deepEqual(reads(), [2111, 2072], "that one may not be looked at, the next may");
    assert.equal(second.learned.asks, false);
  });

  it("reads none when it is not to", (t) => {
    const roots = machineOf(t, ubuntu);
    const { reads } = asLive(t, roots);
    assert.equal(exported(scanMetrics(roots, NOTHING_LEARNED, "never")), "small, unknown");
    assert.deepEqual(reads(), []);
  });
});

describe("inspect on a distribution's kernel", () => {
  it("reads smaps of as few processes as decide it", (t) => {
    const roots = machineOf(t, ubuntu);
    const { reads } = asLive(t, roots);
    assert.doesNotMatch(verdictsOf(roots), /unknown/);
    assert.deepEqual(reads(), [2111]);
    // And a kernel whose name decides is not asked at all.
    writeFileSync(join(roots.proc, "sys/kernel/osrelease"), "7.3.4\n");
    assert.doesNotMatch(verdictsOf(roots), /unknown|THPeligible/);
    assert.deepEqual(reads(), []);
  });

  it("asks each process that is asked for", (t) => {
    const roots = machineOf(t, { ...ubuntu, kernel: "7.3.4" });
    const { reads } = asLive(t, roots);
    assert.match(verdictsOf(roots, {}, [2111]), /THPeligible/);
    assert.deepEqual(reads(), [2111]);
  });

  it("asks each where its advice decides and is not known", (t) => {
    const roots = machineOf(t, { kernel: "6.12.107", setting: "madvise", eligible: 0, command: "other" });
    const { reads } = asLive(t, roots);
    assert.doesNotMatch(verdictsOf(roots), /unknown/);
    assert.deepEqual(
      reads().toSorted((one, other) => one - other),
      PIDS,
    );
  });

  it("says by what it knows: each the kernel's word, of its own mapping or of another", (t) => {
    const roots = machineOf(t, ubuntu);
    asLive(t, roots);
    const { processes } = inspectMachine(roots);
    const huge = processes.flatMap(({ pid, mappings }) =>
      mappings
        .filter(({ verdict, best }) => verdict === "huge" && (best?.leaves.length ?? 0) > 0)
        .map(({ evidence, source }) => `${pid} ${evidence} ${source}`),
    );
    assert.deepEqual(
      [...new Set(huge)],
      ["2072 kernel THPeligible", "2100 kernel THPeligible", "2111 kernel THPeligible"],
    );
  });
});

describe("record", () => {
  it("saves of smaps what inspect reads of it, and comes to the same", (t) => {
    const roots = machineOf(t, ubuntu);
    const folder = mkdtempSync(join(tmpdir(), "hugebar-smaps-"));
    t.after(() => rmSync(folder, { recursive: true }));
    const { reads } = asLive(t, roots);
    recordMachine(roots, folder);
    assert.deepEqual(reads(), [2111]);
    const recorded = { proc: join(folder, "proc"), sys: join(folder, "sys") };
    assert.equal(verdictsOf(recorded), verdictsOf(roots));
  });
});
