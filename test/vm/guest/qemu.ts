/** Real QEMUs that hold a device, for tests inside the guest. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { arch } from "node:os";
import { join } from "node:path";

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

export interface HoldOptions {
  /** By its own loader, so that `/proc/PID/maps` has the names that it has outside a chroot. */
  readonly asIs?: boolean;
  /** More of QEMU's arguments. */
  readonly more?: readonly string[];
}

/** The machine that it emulates, which nobody boots, and where its root has things. */
const { name, machine, libraries, loader } =
  arch() === "arm64"
    ? {
        name: "qemu-system-aarch64",
        machine: ["virt,gic-version=3", "-cpu", "max"],
        libraries: "usr/lib/aarch64-linux-gnu",
        loader: "usr/lib/ld-linux-aarch64.so.1",
      }
    : {
        name: "qemu-system-x86_64",
        machine: ["q35"],
        libraries: "usr/lib/x86_64-linux-gnu",
        loader: "usr/lib64/ld-linux-x86-64.so.2",
      };

function startedFrom(root: string, { asIs }: Required<Pick<HoldOptions, "asIs">>): readonly string[] {
  const at = asIs ? root : "";
  const firmware = ["-L", `${at}/usr/share/qemu`, "-L", `${at}/usr/share/seabios`];
  const program = `${at}/usr/bin/${name}`;
  return asIs
    ? [join(root, loader), "--library-path", join(root, libraries), program, ...firmware]
    : ["chroot", root, program, ...firmware];
}

/** Starts the QEMU of that role, one of the guest's, with the device, and waits until it has mapped it. */
export async function holdWithQemu(
  role: QemuRole,
  bdf: string,
  api: VfioApi = "group",
  { asIs = false, more = [] }: HoldOptions = {},
): Promise<HoldingQemu> {
  const root = `/qemu/${role}`;
  const [program = "", ...words] = startedFrom(root, { asIs });
  const device = `vfio-pci,host=${bdf},addr=0x${slot.toString(16)}`;
  const child = spawn(
    program,
    [
      words,
      ["-accel", "tcg", "-S", "-machine", ...machine, "-m", "64"],
      ["-nodefaults", "-no-user-config", "-display", "none", ...more],
      api === "group"
        ? ["-device", device]
        : ["-object", "iommufd,id=iommufd0", "-device", `${device},iommufd=iommufd0`],
      ["-qtest", "stdio", "-qtest-log", "none"],
    ].flat(),
    {
      stdio: ["pipe", "pipe", "pipe"],
      env: { ...process.env, QEMU_MODULE_DIR: join(asIs ? root : "/", libraries, "qemu") },
    },
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
