/** Real QEMUs that hold a device, for tests inside the guest. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";

import type { VfioApi } from "../../../src/vfio/container.ts";
import { type QemuRole, qemuRoles } from "../provision/qemu.ts";
import { connectQtest, type Qtest } from "./qtest.ts";

/** A QEMU that holds a device, paused before its first instruction. */
export interface HoldingQemu {
  readonly pid: number;
  /** Reaches the device through this QEMU, as a guest of it would. */
  readonly qtest: Qtest;
  /** Ends it; the device is free afterwards. */
  readonly stop: () => Promise<void>;
}

/** Where `/proc/PID/maps` shows a mapping through VFIO. */
export const vfioMapping = /(anon_inode:\[vfio-device\]|\/dev\/vfio\/devices\/vfio\d+)$/;

/** Where the device sits on QEMU's own PCI bus. */
export const slot = 0x10;

const { GUEST_QEMUS = "" } = process.env;

/** The QEMUs that are here, of those asked for. */
export const guestQemus: readonly QemuRole[] = qemuRoles.filter((role) =>
  GUEST_QEMUS.split(" ").includes(role),
);

/** Starts the QEMU of that role, one of the guest's, with the device, and waits until it has mapped it. */
export async function holdWithQemu(
  role: QemuRole,
  bdf: string,
  api: VfioApi = "group",
): Promise<HoldingQemu> {
  const device = `vfio-pci,host=${bdf},addr=0x${slot.toString(16)}`;
  const child = spawn(
    "chroot",
    [
      [`/qemu/${role}`, "/usr/bin/qemu-system-x86_64", "-L", "/usr/share/qemu", "-L", "/usr/share/seabios"],
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
      api === "group"
        ? ["-device", device]
        : ["-object", "iommufd,id=iommufd0", "-device", `${device},iommufd=iommufd0`],
      ["-qtest", "stdio", "-qtest-log", "none"],
    ].flat(),
    { stdio: ["pipe", "pipe", "pipe"] },
  );
  const qtest = connectQtest(child.stdin, child.stdout);
  let messages = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    messages += text;
  });
  await once(child, "spawn");
  try {
    // It answers once it has made all its devices, and has asked for huge pages for what they map.
    await qtest.run(["inb 0x80"]);
  } catch (error) {
    throw new Error(`QEMU (${role}) ended with ${child.signalCode ?? child.exitCode}: ${messages}`, {
      cause: error,
    });
  }
  return { pid: child.pid ?? 0, qtest, stop: () => stop(child) };
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
