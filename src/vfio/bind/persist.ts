/**
 * Keeping a binding over a reboot, in the way the machine has for it: a file of driverctl's where driverctl is installed,
 * else a rule of udev's.
 */

import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { hugebarError } from "../../errors.ts";
import { failureInWords } from "../../system/errno.ts";
import { besideSys, type MachineRoots } from "../sysfs/machine-roots.ts";
import { pciDevicePath, type PciDevice } from "../sysfs/pci-device.ts";
import { makeFolders } from "../../system/make-folders.ts";
import { isErrno, readAttribute } from "../sysfs/sysfs.ts";

/** A file below `/etc` to be written, or taken away. */
export interface FileChange {
  readonly path: string;
  /** Null: the file is taken away. */
  readonly content: string | null;
}

const PCI_BASE_CLASS_STORAGE = 0x01;

/** Ends a file of driverctl's that is ours: it reads by `$(< file)`, which drops all line ends, and writes one itself. */
const OUR_END = "\n\n";

/** What keeps the device with `driver`: null where driverctl has been told so already. */
export function persistChange(roots: MachineRoots, device: PciDevice, driver: string): FileChange | null {
  const { bdf } = device;
  if (!hasDriverctl(roots)) return { path: ruleFile(roots, bdf), content: udevRule(roots, device, driver) };
  const path = driverctlFile(roots, bdf);
  return readText(path)?.trim() === driver ? null : { path, content: `${driver}${OUR_END}` };
}

/** What forgets it again: both files, whichever is there. */
export function forgetChanges(roots: MachineRoots, bdf: string): FileChange[] {
  const isOurs = readText(driverctlFile(roots, bdf))?.endsWith(OUR_END) === true;
  return [
    ...(isOurs ? [{ path: driverctlFile(roots, bdf), content: null }] : []),
    ...(readText(ruleFile(roots, bdf)) === null ? [] : [{ path: ruleFile(roots, bdf), content: null }]),
  ];
}

/** The driver that an operator has told driverctl to give the device at each start; null where none has. */
export function operatorsOverride(roots: MachineRoots, bdf: string): string | null {
  const text = readText(driverctlFile(roots, bdf));
  return text === null || text.endsWith(OUR_END) || text.trim() === "" ? null : text.trim();
}

/** Each file is written whole or not at all. @throws ERR_PERMISSION, ERR_SYSTEM */
export function changeFiles(changes: readonly FileChange[]): void {
  for (const { path, content } of changes) {
    try {
      if (content === null) rmSync(path, { force: true });
      else {
        makeFolders(dirname(path));
        // udev and driverctl look at no such name.
        writeFileSync(`${path}.new`, content, { mode: 0o644 });
        renameSync(`${path}.new`, path);
      }
    } catch (error) {
      discard(`${path}.new`);
      const action = `${content === null ? "remove" : "write"} ${path}`;
      if (isErrno(error, "EACCES", "EPERM", "EROFS")) {
        throw hugebarError("ERR_PERMISSION", { action, problem: "no permission; run as root" }, error);
      }
      throw hugebarError("ERR_SYSTEM", { action, problem: failureInWords(error) }, error);
    }
  }
}

function discard(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // Where it could not be made, it cannot be taken away; the first error is the one to tell.
  }
}

function hasDriverctl(roots: MachineRoots): boolean {
  return ["usr/sbin/driverctl", "usr/bin/driverctl"].some((path) => existsSync(besideSys(roots, path)));
}

/** `driverctl set-override` writes `BUS-DEVICE`. */
function driverctlFile(roots: MachineRoots, bdf: string): string {
  return besideSys(roots, "etc/driverctl.d", `pci-${bdf}`);
}

function ruleFile(roots: MachineRoots, bdf: string): string {
  return besideSys(roots, "etc/udev/rules.d", `05-hugebar-${bdf}.rules`);
}

/**
 * Sets the override before the kernel's modules are loaded for the device. Vendor and device are compared, for another
 * card can come to stand at the address. A driver that was there earlier (in the initial RAM disk) is taken away, but
 * not from a disk, which could be in use by then. Whichever of the two commands runs first (some versions of udev keep no
 * order), the driver takes the device: as it is loaded, or as it is looked for.
 */
function udevRule({ sys }: MachineRoots, { bdf, class: pciClass }: PciDevice, driver: string): string {
  const home = pciDevicePath(sys, bdf);
  const id = (name: string): string => `ATTR{${name}}=="${readAttribute(home, name) ?? ""}"`;
  const folder = `/sys/bus/pci/devices/${bdf}`;
  const isDisk = pciClass >>> 16 === PCI_BASE_CLASS_STORAGE;
  const release = isDisk
    ? `[ -e ${folder}/driver ] ||`
    : `[ -e /sys/bus/pci/drivers/${driver}/${bdf} ] || { [ ! -e ${folder}/driver ] || echo ${bdf} > ${folder}/driver/unbind; } &&`;
  const match = [`ACTION=="add"`, `SUBSYSTEM=="pci"`, `KERNEL=="${bdf}"`, id("vendor"), id("device")].join(
    ", ",
  );
  return [
    `# hugebar bind --persist: ${bdf} goes to ${driver}. \`hugebar unbind ${bdf}\` takes this file away.`,
    `${match}, ATTR{driver_override}="${driver}"`,
    `${match}, RUN{builtin}+="kmod load ${driver}"`,
    `${match}, RUN+="/bin/sh -c '${release} echo ${bdf} > /sys/bus/pci/drivers_probe'"`,
    "",
  ].join("\n");
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR", "EACCES")) return null;
    throw error;
  }
}
