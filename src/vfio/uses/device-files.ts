/** The files by which programs reach a PCI function, and the programs that have them open. */

import { readdirSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { isBdf } from "../sysfs/bdf.ts";
import type { MachineRoots } from "../sysfs/machine-roots.ts";
import { isErrno, readAttribute, readLinkName } from "../sysfs/sysfs.ts";
import { nodeOf } from "./machine/block-device.ts";
import { nodesOf } from "./disks/block-devices.ts";
import { exportsOf } from "./machine/exports.ts";
import type { NamedDisk } from "./disks/named-disks.ts";
import type { Findings } from "./machine/findings.ts";
import { deniedFiles, processTitles } from "./machine/processes.ts";
import { sharedFileUses } from "./shared-files.ts";
import type { Survey } from "./machine/survey.ts";
import { classDevices, followLink } from "./machine/sysfs-paths.ts";
import { watchdogsOf } from "./watchdogs.ts";

/** Where udev, or the kernel, puts the files of a class below `/dev`, if not at its top. */
const CLASS_FOLDERS: Readonly<Record<string, string>> = {
  drm: "dri",
  sound: "snd",
  input: "input",
  infiniband_verbs: "infiniband",
  infiniband_mad: "infiniband",
  accel: "accel",
  bsg: "bsg",
};
/** Classes whose devices have a file even where a record lacks their number. */
const CLASSES = new Set([...Object.keys(CLASS_FOLDERS), "uio", "graphics", "hidraw", "video4linux", "tty"]);

/** Nothing in sysfs is nested like that: a record whose folders never end. */
const DEEPEST = 32;

interface DeviceFile {
  /** `/dev/dri/card0` */
  readonly path: string;
  readonly number: string | null;
}

/** The files of the function and of all that hangs below it, but for those of other PCI functions. */
export function deviceFiles({ sys }: MachineRoots, bdf: string): DeviceFile[] {
  const files: DeviceFile[] = [];
  const visit = (folder: string, kind: string, depth: number): void => {
    for (const name of subFolders(folder)) {
      const path = join(folder, name);
      if (depth > DEEPEST || isBdf(name) || name === "power") continue;
      const own = readLinkName(path, "subsystem") ?? kind;
      const file = fileOf(path, name, own);
      if (file !== null) files.push(file);
      // A folder of a class holds its devices, of a record without links too.
      visit(path, CLASSES.has(name) ? name : own, depth + 1);
    }
  };
  visit(followLink(join(sys, "bus/pci/devices", bdf)), "", 0);
  // Of a record the links of a class may be all there is.
  for (const kind of CLASSES) {
    for (const { name, path } of classDevices(sys, `class/${kind}`)) {
      if (path.split("/").findLast(isBdf) !== bdf || files.some((file) => file.path.endsWith(`/${name}`)))
        continue;
      const file = fileOf(path, name, kind);
      if (file !== null) files.push(file);
    }
  }
  return files;
}

/** The generic files (`ng0n1`) of NVMe's multipath disks, which hang beside those below the subsystem (nvme_add_ns_head_cdev). */
function headFiles(disks: readonly NamedDisk[]): DeviceFile[] {
  return disks.flatMap(({ name, path }) => {
    if (!/^nvme\d+n\d+$/.test(name) || !path.includes("/nvme-subsystem/")) return [];
    const generic = name.replace("nvme", "ng");
    return [{ path: `/dev/${generic}`, number: readAttribute(dirname(path), generic, "dev") }];
  });
}

/** The first watchdog has a second file (watchdog_dev.c). */
function watchdogFiles(roots: MachineRoots, bdf: string): DeviceFile[] {
  const first = { path: "/dev/watchdog", number: "10:130" };
  return watchdogsOf(roots, bdf).flatMap(({ name, number }) => {
    const own = { path: `/dev/${name}`, number };
    return name === "watchdog0" ? [own, first] : [own];
  });
}

/** Folders alone: sysfs' files have names like those of devices (`console`), and its links lead elsewhere. */
function subFolders(folder: string): string[] {
  try {
    return readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
      entry.isDirectory() ? [entry.name] : [],
    );
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR", "ENODEV")) return [];
    throw error;
  }
}

function fileOf(path: string, name: string, kind: string): DeviceFile | null {
  const node = /^DEVNAME=(.+)$/m.exec(readAttribute(path, "uevent") ?? "")?.[1];
  const number = readAttribute(path, "dev");
  // VFIO's own files are for `vfioHolders`.
  if (kind === "vfio-dev" || (number === null && node === undefined && !CLASSES.has(kind))) return null;
  const folder = CLASS_FOLDERS[kind];
  const guessed = folder === undefined ? name : `${folder}/${name}`;
  return { path: nodeOf((node ?? guessed).replace(/^\/dev\//, "")), number };
}

/** Who has files of the function open or mapped, its disks and its BARs in sysfs among them. */
export function openFileUses(survey: Survey, bdf: string, disks: readonly NamedDisk[]): Findings {
  const { roots } = survey;
  const { files: held, denied } = survey.held();
  const files = new Map<string, string>();
  const own = [...deviceFiles(roots, bdf), ...headFiles(disks), ...watchdogFiles(roots, bdf)];
  for (const { path, number } of own) {
    files.set(path, path);
    if (number !== null) files.set(`c${number}`, path);
  }
  for (const disk of disks) {
    const [path = ""] = nodesOf(disk);
    for (const node of disk.nodes) files.set(node, path);
    if (disk.number !== null) files.set(`b${disk.number}`, path);
  }
  const holders = new Map<string, Set<number>>();
  for (const { pid, path, number } of held) {
    // The number is sure. A name can be a chroot's or a container's: `/srv/chroot/dev/sda`.
    const name =
      files.get(number ?? "") ??
      (number === null ? files.get(path.replace(/^.*(?=\/dev\/)/, "")) : undefined) ??
      pciFile(roots, bdf, path);
    if (name !== null) holders.set(name, (holders.get(name) ?? new Set()).add(pid));
  }
  const uses = [...holders].map(
    ([name, pids]) => `${processTitles(roots, pids)} ${pids.size === 1 ? "has" : "have"} ${name} open`,
  );
  // A whole NVMe controller (nvmet's passthru), a SCSI device by its generic file.
  const exported = own.flatMap(({ path, number }) =>
    exportsOf(survey.exports(), {
      title: path,
      nodes: new Set([path]),
      number: number === null ? null : `c${number}`,
    }),
  );
  return {
    uses: [...uses, ...exported, ...sharedFileUses(roots, bdf, held)],
    unknown: deniedFiles(roots, denied),
  };
}

/** BARs and configuration space by the kernel's own files: DPDK's, X servers', setpci's. */
function pciFile(roots: MachineRoots, bdf: string, path: string): string | null {
  const name = /\/((?:resource\d(?:_wc)?)|config)$/.exec(path)?.[1];
  if (name !== undefined && path === join(pathInSysfs(roots, bdf), name)) return path;
  return path === `/proc/bus/pci/${bdf.replace(/^0000:/, "").replace(/:(?=[^:]*$)/, "/")}` ? path : null;
}

/** As a process sees it, also of a recorded machine. */
function pathInSysfs({ sys }: MachineRoots, bdf: string): string {
  return join("/sys", relative(sys, followLink(join(sys, "bus/pci/devices", bdf))));
}
