import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { findDeviceVmas } from "./device-vmas.ts";
import { scanBuffer } from "./maps-scanner.ts";
import { scanProcesses, scanTogether } from "./scan-processes.ts";
import { newTurns, scanTurns, type ScannedProcess } from "./scan-turns.ts";

const proc = mkdtempSync(join(tmpdir(), "hugebar-crowd-"));
/** In no order; some have device mappings, and the maps of some cannot be read. */
const pids = Array.from({ length: 1500 }, (_, index) => 1 + ((index * 733) % 1500));

const byPid = (a: ScannedProcess, b: ScannedProcess) => a.pid - b.pid;

before(() => {
  for (const pid of pids) {
    mkdirSync(join(proc, `${pid}`));
    const maps = join(proc, `${pid}/maps`);
    const address = `7f0000${pid.toString(16).padStart(6, "0")}`;
    const line = (path: string) => `${address}000-${address}fff rw-s 00000000 00:06 1      ${path}\n`;
    if (pid % 7 === 0) mkdirSync(maps);
    else if (pid % 11 !== 0) {
      writeFileSync(maps, `${line("/usr/lib/libc.so.6")}${pid % 5 === 0 ? line("/dev/mem") : ""}`);
    }
  }
});
after(() => {
  rmSync(proc, { recursive: true });
});

describe("scanProcesses", () => {
  it("finds in a crowd what looking at one after another finds, in the order given", () => {
    const buffer = scanBuffer();
    const expected = pids.map((pid) => ({ pid, found: findDeviceVmas(proc, pid, buffer) }));
    assert.equal(expected.filter(({ found }) => found === "gone").length, 117);
    assert.equal(expected.filter(({ found }) => found === "unreadable").length, 214);
    assert.deepEqual(scanProcesses(proc, pids), expected);
    const anything = expected.filter(({ found }) => found.length > 0).sort(byPid);
    for (let time = 0; time < 20; time += 1) {
      assert.deepEqual(scanTogether(proc, pids).sort(byPid), anything);
    }
  });

  it("finds all processes there are, by number", () => {
    assert.deepEqual(
      scanProcesses(proc, null),
      scanProcesses(
        proc,
        pids.toSorted((a, b) => a - b),
      ),
    );
  });

  it("does without a thread where none may be started", () => {
    const script = `
      import { scanTogether } from ${JSON.stringify(new URL("./scan-processes.ts", import.meta.url).href)};
      console.log(scanTogether(${JSON.stringify(proc)}, ${JSON.stringify(pids)}).length);
    `;
    const args = ["--permission", "--allow-fs-read=*", "--input-type=module", "--eval", script];
    const finds = scanTogether(proc, pids).length;
    assert.equal(execFileSync(process.execPath, args, { encoding: "utf8" }), `${finds}\n`);
  });
});

describe("scanTurns", () => {
  it("leaves to each what no other has taken", () => {
    const turns = newTurns();
    const first = scanTurns(proc, pids.slice(0, 100), turns);
    assert.deepEqual(
      first,
      scanProcesses(proc, pids.slice(0, 100)).filter(({ found }) => found.length > 0),
    );
    assert.deepEqual(scanTurns(proc, pids.slice(0, 100), turns), []);
  });
});
