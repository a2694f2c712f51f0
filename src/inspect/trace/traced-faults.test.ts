import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import type { FaultCount } from "./trace-events.ts";
import { faultNames } from "./traced-faults.ts";

const machine = new URL("../../../test/machines/gb200-64k/", import.meta.url).pathname;
const roots = { proc: `${machine}proc`, sys: `${machine}sys` };

const fault: FaultCount = {
  tid: 4201,
  pid: 4200,
  start: 0xff8ac0000000n,
  order: 13,
  answer: 0x100,
  count: 376,
};

describe("faultNames", () => {
  it("names process, device and size, and brings the answers to one size together", () => {
    const names = faultNames(roots);
    const counts: FaultCount[] = [
      { ...fault, order: 0, count: 240 },
      fault,
      { ...fault, tid: 4202, count: 4 },
      { ...fault, answer: 0x800, count: 1 },
      { ...fault, answer: 0x2, count: 3 },
    ];
    names.learn(counts);
    const known = {
      pid: 4200,
      command: "qemu-system-aar",
      address: fault.start,
      device: "0009:01:00.0",
      region: null,
    };
    assert.deepEqual(names.name(counts), [
      { ...known, order: 13, done: 380, fellBack: 1, failed: 3 },
      { ...known, order: 0, done: 240, fellBack: 0, failed: 0 },
    ]);
  });

  it("looks again at a process with a younger mapping, at once when asked to", (t) => {
    const folder = mkdtempSync(join(tmpdir(), "hugebar-"));
    t.after(() => rmSync(folder, { recursive: true }));
    cpSync(machine, folder, { recursive: true, verbatimSymlinks: true });
    const maps = join(folder, "proc/4200/maps");
    const whole = readFileSync(maps);
    writeFileSync(maps, "");
    const names = faultNames({ proc: join(folder, "proc"), sys: join(folder, "sys") });
    names.learn([fault]);
    writeFileSync(maps, whole);
    names.learn([fault]);
    assert.deepEqual(
      names.name([fault]).map(({ device }) => device),
      [null],
    );
    names.learn([fault], 0);
    assert.deepEqual(
      names.name([fault]).map(({ device }) => device),
      ["0009:01:00.0"],
    );
  });

  it("keeps the faults of what it cannot name", () => {
    const names = faultNames(roots);
    const counts: FaultCount[] = [
      { ...fault, pid: 0 },
      { ...fault, pid: 9999 },
      { ...fault, start: 0x1000n },
    ];
    names.learn(counts);
    assert.deepEqual(
      names.name(counts).map(({ pid, command, device, done }) => [pid, command, device, done]),
      [
        [0, "", null, 376],
        [4200, "qemu-system-aar", null, 376],
        [9999, "", null, 376],
      ],
    );
  });
});
