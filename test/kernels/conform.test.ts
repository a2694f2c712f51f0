/** `npm run conform -- --kernel`, as kernel people call it, on kernels as they have them. */

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { globSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { setTimeout as wait } from "node:timers/promises";

import { leftOut } from "../vm/guest-tests.ts";
import { castKernel } from "../vm/provision/roles.ts";

const program = join(import.meta.dirname, "../vm/conform.ts");

function conform(...words: readonly string[]) {
  return spawnSync(process.execPath, ["--disable-warning=ExperimentalWarning", program, ...words], {
    encoding: "utf8",
  });
}

describe("npm run conform -- --kernel", () => {
  for (const role of ["groups", "arm64-16k"] as const) {
    it(`runs the test on an image with modules, the kernel for ${role}`, async (t) => {
      if (leftOut(t)) return;
      const { folder } = await castKernel(role);
      const { status, stdout, stderr } = conform(
        "--kernel",
        join(folder, "vmlinuz"),
        "--modules",
        join(folder, "modules"),
      );
      t.diagnostic(stderr);
      assert.match(stdout, /^KTAP version 1\n/);
      assert.match(stdout, /^# Totals: pass:1[68] fail:0 /m);
      assert.equal(status, 4, "a few points cannot be judged there");
    });
  }

  it("says that a kernel without vfio-pci cannot be tested, and shows its console's end", async (t) => {
    if (leftOut(t)) return;
    const { folder } = await castKernel("groups");
    const { status, stdout, stderr } = conform("--kernel", join(folder, "vmlinuz"));
    assert.equal(stdout, "");
    assert.match(stderr, /this kernel has no vfio-pci: it needs CONFIG_VFIO_PCI/);
    assert.match(stderr, /The end of the guest's console:\n.*reboot: Power down/s);
    assert.equal(status, 6);
  });

  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    it(`leaves no file and no guest behind when ${signal} ends it`, async (t) => {
      if (leftOut(t)) return;
      const { folder } = await castKernel("groups");
      const files = mkdtempSync(join(tmpdir(), "hugebar-told-"));
      t.after(() => rmSync(files, { recursive: true }));
      const child = spawn(process.execPath, [program, "--kernel", join(folder, "vmlinuz")], {
        env: { ...process.env, TMPDIR: files },
        stdio: "ignore",
      });
      const ended = once(child, "close");
      const isBooted = (): boolean =>
        globSync(join(files, "**/monitor")).length > 0 || child.exitCode !== null;
      while (!isBooted()) await wait(100);
      child.kill(signal);
      assert.deepEqual(await ended, [128 + constants.signals[signal], null]);
      assert.deepEqual(readdirSync(files), []);
    });
  }

  it("says that a kernel said nothing at all, and why that may be", async (t) => {
    if (leftOut(t)) return;
    const files = mkdtempSync(join(tmpdir(), "hugebar-silent-"));
    t.after(() => rmSync(files, { recursive: true }));
    const { folder } = await castKernel("groups");
    const image = readFileSync(join(folder, "vmlinuz"));
    // Its first bytes are an image's, and nothing behind them is.
    image.fill(0xf4, 0x8000);
    writeFileSync(join(files, "bzImage"), image);
    const { status, stdout, stderr } = conform("--kernel", join(files, "bzImage"), "--seconds", "20");
    assert.equal(stdout, "");
    assert.match(stderr, /^No report from this kernel: /);
    assert.match(stderr, /The guest's console is empty: .*CONFIG_SERIAL_8250_CONSOLE/);
    assert.equal(status, 6);
  });

  it("ends with the kernel that does not", async (t) => {
    if (leftOut(t)) return;
    const { folder } = await castKernel("groups");
    const { status, stderr } = conform("--kernel", join(folder, "vmlinuz"), "--seconds", "3");
    assert.match(stderr, /the guest was not done within 3 s/);
    assert.equal(status, 6);
  });
});
