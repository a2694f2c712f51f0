/** Page tables read while all changes under the reader, of large processes, and of a kernel that does not let them be read. */

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { before, describe, it } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";

import type { InspectedProcess } from "../../../src/inspect/inspection.ts";
import { inspectMachine } from "../../../src/inspect/inspect.ts";
import { inspectTables } from "../../../src/inspect/inspect-tables.ts";
import { LIVE, readMachine } from "../../../src/inspect/proc/machine.ts";
import { TablesReader } from "../../../src/inspect/tables/read-tables.ts";
import type { LeafCount } from "../../../src/layout/leaves.ts";
import { GIB, MIB } from "../../../src/layout/sizes.ts";
import {
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_NORESERVE,
  MAP_PRIVATE,
  PROT_NONE,
  PROT_READ,
} from "../../../src/system/constants.ts";
import { linux } from "../../../src/system/libc.ts";
import { bdf } from "./inspected-qemu.ts";
import { kernelLog } from "./kernel-log.ts";
import { hasKvm } from "./kvm/has-kvm.ts";
import { layShape } from "./kvm/laid-shape.ts";
import { inspectMonitor, total } from "./kvm/leaves-seen.ts";
import { bindTo } from "./pci.ts";
import { setTransparentHugepage } from "./transparent-hugepage.ts";

const scanSeconds = 60;

before(() => {
  assert.ok(hasKvm());
  bindTo(bdf);
  setTransparentHugepage("always");
});

/** Holds that no leaf is of another size than there are, and that there are no more than there is room for. */
function assertPossible(leaves: readonly LeafCount[], size: number, what: string): void {
  const bytes = leaves.reduce((sum, leaf) => sum + leaf.size * leaf.count, 0);
  assert.ok(
    leaves.every((leaf) => [4096, 2 * MIB, GIB].includes(leaf.size)),
    what,
  );
  // A slot may lie within a leaf of the host, which then reaches beyond it.
  assert.ok(bytes < size + 2 * GIB, `${what}: ${bytes} bytes of leaves in ${size}`);
}

function assertAllPossible({ mappings, guests }: InspectedProcess): string[] {
  return [
    ...mappings.map(({ tables, vmas }) => {
      const size = vmas.reduce((sum, { start, end }) => sum + Number(end - start), 0);
      if (tables?.state === "read") assertPossible(tables.leaves ?? [], size, "the host's");
      return tables?.state ?? "none";
    }),
    ...(guests?.pieces ?? []).map(({ reading, size }) => {
      if (reading.state === "read") assertPossible(reading.leaves, size, "the guest's");
      return reading.state;
    }),
  ];
}

describe("reading page tables", () => {
  it(`shows nothing impossible in ${scanSeconds} seconds beside machines and processes that come and go`, async (t) => {
    const machines = spawn(process.execPath, ["test/vm/guest/kvm/come-and-go.ts"], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const processes = spawn("sh", ["-c", "while :; do (exec true) & (exec sleep 0.1) & wait; done"], {
      stdio: "ignore",
      detached: true,
    });
    let ended = 0;
    machines.stdout.on("data", (bytes: Uint8Array) => {
      ended += bytes.length;
    });
    const states: Record<string, number> = {};
    let scans = 0;
    const reader = new TablesReader(readMachine(LIVE));
    try {
      await once(machines.stdout, "data");
      const end = performance.now() + scanSeconds * 1000;
      while (performance.now() < end) {
        const { processes: seen } = inspectTables(inspectMachine(LIVE, undefined, { smaps: "never" }), {
          reader,
        });
        for (const state of seen.flatMap(assertAllPossible)) states[state] = (states[state] ?? 0) + 1;
        scans += 1;
        await nextTurn();
      }
    } finally {
      reader.close();
      machines.kill("SIGKILL");
      process.kill(-(processes.pid ?? 0), "SIGKILL");
      await Promise.all([once(machines, "close"), once(processes, "close")]);
    }
    t.diagnostic(`${scans} scans beside ${ended} virtual machines: ${JSON.stringify(states)}`);
    assert.ok(scans > 0 && ended > 0 && (states["read"] ?? 0) > 0);
    const alarms = kernelLog().filter((line) => /BUG|WARNING|Oops|general protection|Call Trace/.test(line));
    assert.deepEqual(alarms, []);
  });

  it("finds what it wants among 100,000 mappings", (t) => {
    const most = "/proc/sys/vm/max_map_count";
    writeFileSync(most, "250000");
    const pages = 100_000;
    const size = pages * 4096;
    const { base } = layShape(t, { host: 0, areas: [{ offset: 0, size: GIB }], slots: [] });
    Atomics.load(new Uint8Array(linux.view(base, GIB)), 0);
    const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    const many = linux.mmap(0n, size, PROT_NONE, flags, -1, 0);
    t.after(() => linux.munmap(many, size));
    for (let page = 0; page < pages; page += 2) {
      linux.mmap(many + BigInt(page * 4096), 4096, PROT_READ, flags | MAP_FIXED, -1, 0);
    }
    const count = readFileSync("/proc/self/maps", "utf8").split("\n").length;
    const started = performance.now();
    const { mappings } = inspectMonitor(process.pid);
    t.diagnostic(`${count} mappings: ${(performance.now() - started).toFixed(0)} ms`);
    assert.ok(count >= pages);
    assert.deepEqual(total(mappings.map(({ tables }) => tables?.leaves ?? [])), { [GIB]: 1 });
  });

  it("says that lockdown keeps it from it", () => {
    mkdirSync("/sys/kernel/security", { recursive: true });
    spawnSync("mount", ["-t", "securityfs", "none", "/sys/kernel/security"]);
    writeFileSync("/sys/kernel/security/lockdown", "confidentiality");
    const { status, stderr } = spawnSync(process.execPath, ["src/cli/main.ts", "inspect", "--tables"], {
      encoding: "utf8",
    });
    assert.equal(status, 4);
    assert.match(stderr, /^hugebar: .*lockdown/);
  });
});
