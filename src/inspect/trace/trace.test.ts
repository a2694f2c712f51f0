import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it, type TestContext } from "node:test";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const folder = mkdtempSync(join(tmpdir(), "hugebar-trace-"));
after(() => {
  rmSync(folder, { recursive: true });
});

const program = join(folder, "faults");
const fixture = fileURLToPath(new URL("trace.fixture.ts", import.meta.url));
let offset = "";

/** Why this machine cannot run these tests; null where it can. */
function obstacle(): string | null {
  if (process.arch !== "x64") return "the probe names registers of x86-64";
  if (process.getuid?.() !== 0) return "tracefs is for root";
  if (inMountNamespace("test -w /sys/kernel/tracing/dynamic_events").status !== 0)
    return "no tracefs, or no dynamic events";
  return spawnSync("cc", ["--version"]).status === 0 ? null : "no C compiler";
}

/** Runs a command with tracefs mounted, and leaves the machine's own mounts alone. */
function inMountNamespace(command: string) {
  const script = `mount -t tracefs none /sys/kernel/tracing && ${command}`;
  return spawnSync("unshare", ["--mount", "sh", "-c", script], { encoding: "utf8" });
}

/** @param through what the traced program's tracer is started by */
function traceProgram(mode: string, through = "exec") {
  return inMountNamespace(`${through} "${process.execPath}" "${fixture}" ${mode} "${program}" ${offset}`);
}

function leftovers(name: string): string {
  const look = `ls /sys/kernel/tracing/instances; cat /sys/kernel/tracing/dynamic_events`;
  return inMountNamespace(look)
    .stdout.split("\n")
    .filter((line) => line.includes(name))
    .join("\n");
}

const why = obstacle();

function skipped(test: TestContext): boolean {
  if (why !== null) test.skip(why);
  return why !== null;
}

describe("startTrace", () => {
  before(() => {
    if (why !== null) return;
    const source = join(folder, "faults.c");
    writeFileSync(
      source,
      `#include <stdlib.h>
       struct vma { unsigned long start, end; };
       struct fault { struct vma *vma; };
       __attribute__((noinline)) unsigned handle(struct fault *fault, unsigned order, unsigned ret) {
         asm volatile("" : : "r"(fault) : "memory");
         return ret;
       }
       int main(int argc, char **argv) {
         struct vma vma = { 0x7f1234000000, 0x7f5234000000 };
         struct fault fault = { &vma };
         int count = atoi(argv[1]);
         for (int i = 0; i < count; i++) handle(&fault, i % 3 ? 9 : 18, i % 3 ? 0x100 : 0x800);
         return 0;
       }`,
    );
    execFileSync("cc", ["-O1", "-o", program, source]);
    const symbols = execFileSync("nm", [program], { encoding: "utf8" });
    offset = /^([0-9a-f]+) T handle$/m.exec(symbols)?.[1] ?? assert.fail("nm shows no handle");
  });

  it("counts by process, mapping, order and answer, each fault once, and removes all it made", (test) => {
    if (skipped(test)) return;
    const { stdout, stderr } = traceProgram("count");
    assert.equal(stderr, "");
    const [name = "", lost, ...counts] = stdout.split("\n");
    assert.deepEqual(counts, ["true true 7f1234000000 18 800 1000", "true true 7f1234000000 9 100 2000"]);
    assert.equal(lost, "0");
    assert.equal(leftovers(name), "");
  });

  it("takes root, and none of root's capabilities", (test) => {
    if (skipped(test)) return;
    const { stdout, stderr } = traceProgram("count", "exec setpriv --bounding-set=-all --inh-caps=-all");
    assert.equal(stderr, "");
    assert.equal(stdout.split("\n").length, 4);
  });

  it("says so where tracefs is read-only, as for a service with ProtectKernelTunables", (test) => {
    if (skipped(test)) return;
    const { stderr } = traceProgram("count", "mount -o remount,bind,ro /sys/kernel/tracing &&");
    assert.match(stderr, /tracing is read-only for this process; [^]*ERR_PERMISSION/);
  });

  it("counts what the buffer could not hold as lost", (test) => {
    if (skipped(test)) return;
    const [, lostText, ...lines] = traceProgram("flood").stdout.split("\n");
    const lost = Number(lostText);
    const counted = lines.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
    assert.ok(lost > 0 && counted > 0);
    // Two probes report each of the 100,000 faults.
    assert.ok(counted + lost <= 200_000 && counted + lost >= 100_000, `${counted} + ${lost}`);
  });

  it("removes all it made when its process is killed", async (test) => {
    if (skipped(test)) return;
    const { stdout } = traceProgram("crash");
    const name = stdout.trim();
    assert.match(name, /^hugebar_\d+_\d+$/);
    for (let wait = 0; leftovers(name) !== "" && wait < 100; wait += 1) await setTimeout(50);
    assert.equal(leftovers(name), "");
  });
});
