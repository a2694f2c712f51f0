import assert from "node:assert/strict";
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { diagnose, type Finding } from "./doctor.ts";
import { LIVE } from "./proc/machine.ts";

const MACHINES = new URL("../../test/machines/", import.meta.url).pathname;
const scratch = mkdtempSync(join(tmpdir(), "hugebar-doctor-"));
after(() => {
  rmSync(scratch, { recursive: true });
});

function findingsOf(folder: string): readonly Finding[] {
  return diagnose({ proc: join(folder, "proc"), sys: join(folder, "sys") }).findings;
}

function statesOf(findings: readonly Finding[], topic: Finding["topic"]): string[] {
  return findings.filter((finding) => finding.topic === topic).map(({ state }) => state);
}

describe("diagnose", () => {
  it("finds nothing wrong with kernel and setting where there is nothing", () => {
    const findings = findingsOf(`${MACHINES}x86-qemu`);
    assert.deepEqual(
      (["kernel", "thp", "iommu", "device"] as const).flatMap((topic) => statesOf(findings, topic)),
      ["good", "good", "good", "good", "good", "good"],
    );
    assert.deepEqual(statesOf(findings, "process"), [
      "problem",
      "good",
      "good",
      "problem",
      "good",
      "good",
      "good",
    ]);
  });

  it("blames the setting that only helps who asks, and the kernel that has no huge pages", () => {
    assert.deepEqual(statesOf(findingsOf(`${MACHINES}x86-madvise`), "thp"), ["problem"]);
    const old = findingsOf(`${MACHINES}x86-old`);
    assert.deepEqual([...statesOf(old, "kernel"), ...statesOf(old, "thp")], ["problem", "note"]);
  });

  it("has something to do for each problem", () => {
    for (const machine of ["gb200-64k", "x86-qemu", "x86-madvise", "x86-old", "x86-mixed"]) {
      for (const { state, todo } of findingsOf(MACHINES + machine)) {
        if (state === "problem") assert.ok(todo !== null);
      }
    }
  });

  it("sees a BAR that the kernel found no place for", () => {
    const folder = join(scratch, "unplaced");
    cpSync(`${MACHINES}x86-qemu`, folder, { recursive: true, verbatimSymlinks: true });
    const zero = "0x0000000000000000 0x0000000000000000 0x0000000000000000\n";
    const bar = "0x0000000000000000 0x0000000fffffffff 0x000000000014220c\n";
    writeFileSync(join(folder, "sys/devices/pci0000:00/0000:01:00.0/resource"), zero + bar + zero);
    const unplaced = findingsOf(folder).find(
      ({ topic, text }) => topic === "device" && text.includes("0000:01:00.0"),
    );
    assert.deepEqual([unplaced?.state, unplaced?.text.includes("no place")], ["problem", true]);
  });

  it("examines this machine, and an empty one", () => {
    assert.equal(statesOf(diagnose(LIVE).findings, "kernel").length, 1);
    const nothing = findingsOf(join(scratch, "nothing"));
    assert.deepEqual([...new Set(nothing.map(({ state }) => state))], ["note"]);
  });
});
