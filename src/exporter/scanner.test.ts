import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Family } from "./families.ts";
import { startScanner } from "./scanner.ts";

const MACHINE = fileURLToPath(new URL("../../test/machines/x86-mixed", import.meta.url));

function scannerOf(t: TestContext, root: string, intervalMilliseconds: number, limitMilliseconds: number) {
  const problems: string[] = [];
  const scanner = startScanner({
    roots: { proc: join(root, "proc"), sys: join(root, "sys") },
    intervalMilliseconds,
    limitMilliseconds,
    onFailure: (problem) => void problems.push(problem),
  });
  t.after(() => scanner.close());
  return { scanner, problems };
}

/** The processes that this one has started, and that run. */
function children(): number[] {
  const text = readFileSync(`/proc/self/task/${process.pid}/children`, "utf8").trim();
  return text === "" ? [] : text.split(" ").map(Number);
}

function valueOf(families: readonly Family[], name: string): number | undefined {
  return families.find((family) => family.name === name)?.samples[0]?.value;
}

describe("startScanner", () => {
  it("scans once for all who ask within the interval", async (t) => {
    const { scanner, problems } = scannerOf(t, MACHINE, 3_600_000, 60_000);
    const answers = await Promise.all(Array.from({ length: 50 }, () => scanner.metrics()));
    const times = answers.map((families) => valueOf(families, "hugebar_scan_time_seconds"));
    assert.equal(new Set(times).size, 1);
    assert.equal(valueOf(await scanner.metrics(), "hugebar_scan_time_seconds"), times[0]);
    const [families = []] = answers;
    assert.equal(valueOf(families, "hugebar_scan_success"), 1);
    assert.ok(families.some(({ name, samples }) => name === "hugebar_mapped_bytes" && samples.length > 0));
    assert.deepEqual(problems, []);
  });

  it("scans anew after the interval", async (t) => {
    const { scanner } = scannerOf(t, MACHINE, 1, 60_000);
    const first = valueOf(await scanner.metrics(), "hugebar_scan_time_seconds");
    assert.notEqual(valueOf(await scanner.metrics(), "hugebar_scan_time_seconds"), first);
  });

  it("hands on what a scan has learned of the kernel", async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "hugebar-scanner-"));
    t.after(() => rmSync(folder, { recursive: true }));
    cpSync(MACHINE.replace("x86-mixed", "x86-qemu"), folder, { recursive: true, verbatimSymlinks: true });
    writeFileSync(join(folder, "proc/sys/kernel/osrelease"), "6.17.0-14-generic\n");
    writeFileSync(join(folder, "sys/kernel/mm/transparent_hugepage/enabled"), "always madvise [never]\n");
    const file = join(folder, "proc/2111/smaps");
    const maps = readFileSync(join(folder, "proc/2111/maps"), "utf8");
    writeFileSync(file, maps.replaceAll(/^.+$/gm, "$&\nTHPeligible: 1\nVmFlags: rd wr sh hg "));
    const { scanner } = scannerOf(t, folder, 1, 60_000);
    const unknown = async (): Promise<number> =>
      (await scanner.metrics())
        .find(({ name }) => name === "hugebar_mapping_verdict")
        ?.samples.filter(({ labels, value }) => labels["verdict"] === "unknown" && value === 1).length ??
      assert.fail();
    assert.equal(await unknown(), 0);
    rmSync(file);
    assert.equal(await unknown(), 0, "nothing is read again");
  });

  it("ends a scan that hangs, says so, and shows nothing of before as if it were now", async (t) => {
    const { scanner, problems } = scannerOf(t, MACHINE, 3_600_000, 1500);
    const asking = scanner.metrics();
    // As if the kernel kept it waiting.
    for (const pid of children()) process.kill(pid, "SIGSTOP");
    const families = await asking;
    // Nothing of it is left, as soon as its end has been taken note of.
    while (children().length > 0) await wait(10);
    assert.deepEqual(problems, ["it was not done within 1.5 s"]);
    assert.equal(valueOf(families, "hugebar_scan_success"), 0);
    assert.equal(valueOf(families, "hugebar_scan_failures_total"), 1);
    assert.ok(families.every(({ name }) => name.startsWith("hugebar_scan_")));
  });

  it("goes on after a scan that was killed", async (t) => {
    const { scanner, problems } = scannerOf(t, MACHINE, 1, 60_000);
    const asking = scanner.metrics();
    scanner.close();
    assert.equal(valueOf(await asking, "hugebar_scan_success"), 0);
    assert.equal(valueOf(await scanner.metrics(), "hugebar_scan_success"), 1);
    assert.deepEqual(problems, [], "an end that was asked for is no problem");
  });
});
