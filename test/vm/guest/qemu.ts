/** Real QEMUs that hold a device, for tests inside the guest. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { setTimeout as wait } from "node:timers/promises";

/** A QEMU that holds a device, paused before its first instruction. */
export interface HoldingQemu {
  readonly pid: number;
  /** Ends it; the device is free afterwards. */
  stop(): Promise<void>;
}

/** Where `/proc/PID/maps` shows a mapping through VFIO. */
export const vfioMapping = /(anon_inode:\[vfio-device\]|\/dev\/vfio\/devices\/vfio\d+)$/;

/** Starts the QEMU of that version, one of the guest's `qemus`, with the device, and waits until it has mapped it. */
export async function holdWithQemu(version: string, bdf: string): Promise<HoldingQemu> {
  const child = spawn(
    "chroot",
    [
      [
        `/qemu/${version}`,
        "/usr/bin/qemu-system-x86_64",
        "-L",
        "/usr/share/qemu",
        "-L",
        "/usr/share/seabios",
      ],
      [
        "-accel",
        "tcg",
        "-S",
        "-machine",
        "q35",
        "-m",
        "64",
        "-nodefaults",
        "-no-user-config",
        "-display",
        "none",
      ],
      ["-device", `vfio-pci,host=${bdf}`],
    ].flat(),
    { stdio: ["ignore", "ignore", "pipe"] },
  );
  let messages = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    messages += text;
  });
  await once(child, "spawn");
  while (child.exitCode === null && child.signalCode === null) {
    await wait(50);
    const pid = child.pid ?? 0;
    if (mappingsOf(pid).some((line) => vfioMapping.test(line))) return { pid, stop: () => stop(child) };
  }
  throw new Error(`QEMU ${version} ended with ${child.signalCode ?? child.exitCode}: ${messages}`);
}

/** The lines of `/proc/PID/maps`, none of a process that has ended. */
export function mappingsOf(pid: number): string[] {
  const file = `/proc/${pid}/maps`;
  return existsSync(file) ? readFileSync(file, "utf8").trimEnd().split("\n") : [];
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill("SIGKILL");
  await ended;
}
