/** The conformance test, as a user runs it, on kernels that do as they should, as far as it goes by default. */

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chownSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { arch, constants } from "node:os";
import { join } from "node:path";
import { before, describe, it } from "node:test";

import { PR_SET_THP_DISABLE } from "../../../src/system/constants.ts";
import { linux } from "../../../src/system/libc.ts";
import { documentedKeys, keysOf } from "../../support/json-keys.ts";
import { kernelFacts } from "./kernel.ts";
import { hasKvm } from "./kvm/has-kvm.ts";
import { apis, openDevice } from "./open.ts";
import { bindTo, deviceFolder, iommuGroupOf } from "./pci.ts";
import { setTransparentHugepage } from "./transparent-hugepage.ts";

const bdf = "0000:00:10.0";
/** A user with no rights at all. */
const NOBODY = 65534;

/** What takes page tables to be seen, and KVM; dma-bufs, which older kernels have not. */
const hasTables = existsSync("/sys/kernel/btf/vmlinux");
const notThere = [
  ...(hasTables ? [] : ["fork"]),
  // By a cdev the device is iommufd's, which takes no such memory; the emulated SMMU has 44 bits, and the BAR lies above.
  ...(kernelFacts.cdevs || arch() === "arm64" ? ["mapped_for_dma"] : []),
  ...(kernelFacts.dmaBufs ? [] : ["dma_buf"]),
  ...(hasTables && kernelFacts.kvm && arch() === "x64" ? [] : ["second_stage"]),
];
/** QEMU's pci-testdev cannot be reset; the first two are what kernels are known to fall over. */
const NOT_JUDGED = ["mremap_part_of_pud_leaf", "page_out_of_pud_leaf", "reset", ...notThere];

/** What hangs on no kernel's rules is tried on one of those with the test driver; the other asks the setting. */
const isChosen = kernelFacts.testDriver && !kernelFacts.asks;

before(() => {
  hasKvm();
  bindTo(bdf);
});

function words(...more: readonly string[]): string[] {
  return ["src/cli/main.ts", "conform", bdf, "--region", "2", ...more];
}

function conform(...more: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, words(...more), { encoding: "utf8" });
  return { status, stderr, lines: stdout.trimEnd().split("\n") };
}

/** The same as somebody else, who may lock no memory. */
function conformAs(user: { uid: number; gid: number }, ...more: readonly string[]) {
  const command = ["-c", 'ulimit -l 0; exec "$@"', "sh", process.execPath, ...words(...more)];
  const { status, stdout, stderr } = spawnSync("sh", command, { encoding: "utf8", ...user });
  return { status, stderr, lines: stdout.trimEnd().split("\n") };
}

function skipped(lines: readonly string[]): (string | undefined)[] {
  return lines.flatMap((line) => {
    const name = /^ok \d+ (\w+) # SKIP /.exec(line)?.[1];
    return name === undefined ? [] : [name];
  });
}

describe("hugebar conform", () => {
  it("finds nothing that falls short, and prints KTAP", (t) => {
    setTransparentHugepage("always");
    const { status, stderr, lines } = conform();
    for (const line of lines) t.diagnostic(line);
    assert.equal(stderr, "");
    assert.equal(lines[0], "KTAP version 1");
    assert.equal(lines[1], "1..22");
    assert.equal(lines[4]?.split(" ")[2], hasTables ? "tables" : "addresses");
    assert.deepEqual(
      lines.filter((line) => line.startsWith("not ok")),
      [],
    );
    assert.deepEqual(skipped(lines), NOT_JUDGED);
    assert.equal(status, 4, "not all could be judged");
  });

  it("has the keys of docs/json.md in its JSON", () => {
    const { lines } = conform("--json");
    assert.deepEqual(keysOf(lines.join("\n")), documentedKeys("conform"));
  });

  it("says that nothing can be said where the setting rules huge leaves out", (t) => {
    setTransparentHugepage("never");
    t.after(() => setTransparentHugepage("always"));
    const { status, lines } = conform();
    assert.equal(status, 4);
    const expected = kernelFacts.asks
      ? /^ok 1 order_by_alignment # SKIP .*enabled is never/m
      : /^ok 1 order_by_alignment$/m;
    assert.match(lines.join("\n"), expected);
  });

  it("finds nothing that falls short where the setting asks for advice, nor where a parent ruled huge leaves out", (t) => {
    setTransparentHugepage("madvise");
    t.after(() => setTransparentHugepage("always"));
    linux.prctl(PR_SET_THP_DISABLE, 1, 0);
    t.after(() => linux.prctl(PR_SET_THP_DISABLE, 0, 0));
    const { status, lines } = conform();
    for (const line of lines) t.diagnostic(line);
    assert.deepEqual(
      lines.filter((line) => line.startsWith("not ok")),
      [],
    );
    assert.deepEqual(skipped(lines), NOT_JUDGED);
    const isSaid = lines.some((line) => line.startsWith("# all mappings are advised MADV_HUGEPAGE"));
    assert.equal(isSaid, kernelFacts.asks);
    assert.equal(status, 4);
  });

  it("says that it may not have the device, and prints no report", () => {
    const { status, stderr, lines } = conformAs({ uid: NOBODY, gid: NOBODY });
    assert.match(stderr, /^hugebar: Cannot open .*permi/);
    assert.deepEqual(lines, [""]);
    assert.equal(status, 4);
  });

  it("refuses a region that it can say nothing of, and touches none of it", () => {
    const command = ["src/cli/main.ts", "conform", bdf, "--region", "0", "--touch-registers"];
    const { status, stdout, stderr } = spawnSync(process.execPath, command, { encoding: "utf8" });
    assert.equal(stdout, "");
    assert.match(stderr, /^hugebar: Cannot test region .*no room for two whole blocks|does not allow to map/);
    assert.equal(status, 6);
  });

  it("refuses a device that somebody else has", (t) => {
    const held = openDevice(t, bdf, apis[0] ?? "group");
    const { status, stderr } = conform();
    assert.match(stderr, /open elsewhere/);
    assert.equal(status, 5);
    held.close();
  });

  for (const signal of isChosen ? (["SIGINT", "SIGTERM", "SIGKILL"] as const) : []) {
    it(`leaves nothing behind when it is ended by ${signal}, and says so where it can`, async () => {
      const child = spawn(process.execPath, words(), { stdio: ["ignore", "pipe", "inherit"] });
      const ended = once(child, "close");
      let printed = "";
      let isTold = false;
      child.stdout.setEncoding("utf8").on("data", (text: string) => {
        printed += text;
        // A second signal would end it at once.
        if (!isTold && printed.includes("\nok 1 ")) isTold = child.kill(signal);
      });
      await ended;
      assert.equal(child.exitCode, signal === "SIGKILL" ? null : 128 + constants.signals[signal]);
      const last = printed.trimEnd().split("\n").at(-1);
      if (signal === "SIGKILL") assert.doesNotMatch(printed, /^# Totals/m);
      else assert.equal(last, "Bail out! told to end");
      const after = conform();
      assert.deepEqual(
        after.lines.filter((line) => line.startsWith("not ok")),
        [],
      );
      assert.deepEqual(skipped(after.lines), NOT_JUDGED);
    });
  }

  /** Which points a wrong handler fails: nothing else is to be said of it. */
  const wrong: Readonly<Record<string, readonly string[]>> = {
    "hugebar-wrong-pfn": ["unaligned_page_frame", "any_page_first"],
    "hugebar-wrong-touch": ["any_page_first"],
    "hugebar-wrong-edge": ["no_leaf_over_an_edge"],
    "hugebar-wrong-bus": ["unaligned_page_frame", "any_page_first"],
  };
  for (const [driver, points] of kernelFacts.testDriver ? Object.entries(wrong) : []) {
    it(`finds what is wrong with ${driver}`, (t) => {
      bindTo(bdf, driver);
      t.after(() => bindTo(bdf));
      const { status, stderr, lines } = conform();
      for (const line of lines) t.diagnostic(line);
      assert.equal(stderr, "");
      const failed = lines.flatMap((line) => /^not ok \d+ (\w+)$/.exec(line)?.[1] ?? []);
      assert.deepEqual(failed, points);
      assert.equal(status, 1);
    });
  }
});

describe("hugebar conform, where one kernel is enough", () => {
  if (!isChosen) return;

  // Counts alone, which Debian's kernels leave to an ordinary user, are disturbed now and then: nothing is held to them here.
  // Memory of a device is not locked (vfio_pin_pages_remote).
  it("finds by addresses nothing that falls short as a user who has no memory to lock", (t) => {
    const node = join("/dev/vfio", iommuGroupOf(bdf));
    chownSync(node, NOBODY, NOBODY);
    t.after(() => chownSync(node, 0, 0));
    const setting = "/proc/sys/kernel/perf_event_paranoid";
    const before = readFileSync(setting, "utf8");
    writeFileSync(setting, "1");
    t.after(() => writeFileSync(setting, before));
    const { status, stderr, lines } = conformAs({ uid: NOBODY, gid: NOBODY }, "--api", "group");
    for (const line of lines) t.diagnostic(line);
    assert.equal(stderr, "");
    assert.equal(lines[4]?.split(" ")[2], "addresses");
    assert.deepEqual(
      lines.filter((line) => line.startsWith("not ok")),
      [],
    );
    if (arch() === "x64") assert.ok(lines.includes("ok 19 mapped_for_dma"), "of its own address space");
    assert.match(lines.at(-1) ?? "", /^# Totals: /);
    assert.equal(status, 4);
  });

  it("ends as ever where its device is removed meanwhile, which waits for that", async (t) => {
    t.after(() => {
      writeFileSync("/sys/bus/pci/rescan", "1");
      bindTo(bdf);
    });
    const child = spawn(process.execPath, words(), { stdio: ["ignore", "pipe", "inherit"] });
    const ended = once(child, "close");
    let [printed, removed] = ["", Promise.resolve<unknown>(null)];
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      const isFirst = !printed.includes("\nok 1 ");
      printed += text;
      // The write waits, and so has a process of its own.
      if (isFirst && printed.includes("\nok 1 "))
        removed = once(spawn("sh", ["-c", `echo 1 >${deviceFolder(bdf)}/remove`]), "close");
    });
    assert.deepEqual(await ended, [4, null]);
    t.diagnostic(printed);
    assert.deepEqual(await removed, [0, null]);
    assert.equal(existsSync(deviceFolder(bdf)), false);
    const lines = printed.trimEnd().split("\n");
    assert.deepEqual(
      lines.filter((line) => line.startsWith("not ok")),
      [],
    );
    assert.deepEqual(skipped(lines), NOT_JUDGED);
    assert.match(lines.at(-1) ?? "", /^# Totals: /);
  });
});
