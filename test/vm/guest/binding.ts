/** What the tests of `hugebar bind` on real devices share. */

import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn, spawnSync, type SpawnSyncReturns } from "node:child_process";
import { globSync } from "node:fs";
import { basename, join } from "node:path";
import type { TestContext } from "node:test";

import { driverOf } from "./pci.ts";

/** A device of the first bus, by its slot. */
export const at = (slot: number): string => `0000:00:${slot.toString(16).padStart(2, "0")}.0`;

/** The tool, as a user runs it. */
export function hugebar(...words: readonly string[]): SpawnSyncReturns<string> {
  const main = join(import.meta.dirname, "../../../src/cli/main.ts");
  return spawnSync(process.execPath, [main, ...words], { encoding: "utf8" });
}

export function run(command: string, ...words: readonly string[]): string {
  return execFileSync(command, words, { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
}

/** A program of provision/storage-tools.ts. */
export function tool(...words: readonly string[]): string {
  const [program = "", ...rest] = words;
  // By its path: busybox would take an applet of its own for the name alone.
  return run("chroot", "/tools", `/usr/bin/${program}`, ...rest);
}

/** The disk of a function: `/dev/nvme0n1`. */
export function diskOf(bdf: string): string {
  const folder = `/sys/bus/pci/devices/${bdf}`;
  const [found] = globSync([`${folder}/nvme/nvme*/nvme*n*`, `${folder}/virtio*/block/*`]);
  assert.ok(found !== undefined, `${bdf} has a disk`);
  // A path of a multipath namespace: the disk itself hangs below the subsystem.
  return `/dev/${basename(found).replace(/^(nvme\d+)c\d+(n\d+)$/, "$1$2")}`;
}

/** Starts a program, ended with the test, and waits until `isThere`. */
export async function hold(
  t: TestContext,
  isThere: () => boolean,
  ...words: readonly [string, ...string[]]
): Promise<ChildProcess> {
  const [command, ...rest] = words;
  const child = spawn(command, rest, { stdio: ["ignore", "ignore", "inherit"] });
  t.after(() => child.kill("SIGKILL"));
  await waitFor(isThere);
  return child;
}

export async function waitFor(isThere: () => boolean): Promise<void> {
  for (let tries = 0; !isThere(); tries += 1) {
    assert.ok(tries < 600, "it comes to be within a minute");
    await new Promise((resolve) => {
      setTimeout(resolve, 100);
    });
  }
}

/** The tool refuses it, naming the uses, and changes nothing. */
export function assertRefused(bdf: string, ...uses: readonly RegExp[]): void {
  const driver = driverOf(bdf);
  const { status, stdout, stderr } = hugebar("bind", bdf);
  assert.deepEqual([status, stdout], [5, ""], stderr);
  for (const use of uses) assert.match(stderr, use);
  assert.equal(driverOf(bdf), driver);
}
