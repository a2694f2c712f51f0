/**
 * Saves what `inspect` reads of a machine into a folder, so that it can be inspected anywhere: for bug reports, and for
 * tests. No memory contents, no environment, no arguments; of each process only its name, whose it is and what bears on its
 * device mappings.
 */

import { readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { hugebarError } from "../errors.ts";
import { deviceIndex } from "./identify/device-index.ts";
import type { Holder } from "./judge/gate.ts";
import { surveySmaps } from "./judge/read-smaps.ts";
import { deviceFileOf } from "./proc/device-file.ts";
import { hidesProcesses } from "./proc/hidden.ts";
import { readMachine, type Machine } from "./proc/machine.ts";
import { failureInWords, isNotPermitted } from "../system/errno.ts";
import { makeFolders } from "../system/make-folders.ts";
import type { MachineRoots } from "../vfio/device-uses.ts";
import { OWN_MEMORY_PROPERTIES } from "../vfio/sysfs/pci-device.ts";
import { listFolder, listFolderOrNull, readLinkOrNull, readTextOrNull } from "./proc/read-file.ts";
import { scanProcesses } from "./proc/scan-processes.ts";
import { countMappings } from "./proc/count-mappings.ts";
import { readStatus } from "./proc/process.ts";
import { holderOf, inspectMachine } from "./inspect.ts";
import { programOf } from "../rules/program.ts";
import { NOTHING_LEARNED } from "../rules/learned.ts";
import { readingsOf } from "./inspect-tables.ts";
import { RECORDED_TABLES, recordedTablesText } from "./tables/recorded-tables.ts";
import type { Readings } from "./tables/readings.ts";
import {
  RECORDED_ABOUT,
  RECORDED_OWNER,
  RECORDED_PROGRAM,
  RECORDED_MAPPINGS,
  RECORDED_REFUSAL,
  RECORDED_SOCKETS,
  recordedProcesses,
  whereAndWhen,
} from "./proc/recorded.ts";
import { socketFinder } from "./identify/vfio-user-server.ts";
import { ownerText, readOwner } from "./proc/owner.ts";
import type { Vma } from "./proc/vma.ts";

/** What was saved. */
export interface Recorded {
  readonly processes: number;
  readonly devices: number;
  /** Processes whose mappings could not be read. */
  readonly refused: number;
}

/**
 * @param options.tables also what page tables hold, as `inspectTables` reads it
 * @throws ERR_ARGUMENT when the folder is there and not empty; ERR_SYSTEM when something cannot be written; what
 *   `inspectTables` throws
 */
export function recordMachine(
  roots: MachineRoots,
  folder: string,
  { tables = false }: { readonly tables?: boolean } = {},
): Recorded {
  // Before anything is written, for it may not be permitted, and before smaps is read, which takes large leaves apart.
  const readings: Readings = tables ? readingsOf(inspectMachine(roots, null, { smaps: "never" })) : new Map();
  try {
    makeFolders(folder);
    if (readdirSync(folder).length > 0) {
      throw hugebarError("ERR_ARGUMENT", { what: folder, problem: "it is not empty; give a new folder" });
    }
    const copy = copier(roots, folder);
    const machine = readMachine(roots);
    recordKernel(machine, copy);
    for (const [pid, reading] of readings) {
      copy.text(`proc/${pid}/${RECORDED_TABLES}`, recordedTablesText(reading));
    }
    return { ...recordProcesses(machine, copy), devices: recordDevices(roots, copy) };
  } catch (error) {
    if (!(error instanceof Error) || !("syscall" in error)) throw error;
    const details = { action: `record into ${folder}`, problem: failureInWords(error) };
    throw hugebarError(isNotPermitted(error) ? "ERR_PERMISSION" : "ERR_SYSTEM", details, error);
  }
}

/** Writes below the folder; what cannot be read is left out, as it would be on the machine itself. */
interface Copier {
  file(path: string): void;
  link(path: string): void;
  text(path: string, text: string): void;
  folder(path: string): void;
}

/** @returns a copier of paths that begin with `proc/` and `sys/` */
function copier({ proc, sys }: MachineRoots, folder: string): Copier {
  const source = (path: string): string =>
    path.startsWith("proc/") ? join(proc, path.slice("proc/".length)) : join(sys, path.slice("sys/".length));
  const target = (path: string): string => {
    const full = join(folder, path);
    makeFolders(dirname(full));
    return full;
  };
  const text = (path: string, content: string): void => {
    writeFileSync(target(path), content);
  };
  return {
    text,
    file(path) {
      const content = readTextOrNull(source(path));
      if (content !== null) text(path, content);
    },
    link(path) {
      const link = readLinkOrNull(source(path));
      if (link !== null) symlinkSync(link, target(path));
    },
    folder(path) {
      makeFolders(join(folder, path));
    },
  };
}

const THP = "sys/kernel/mm/transparent_hugepage";

function recordKernel({ roots, kernel, arch, pageSize }: Machine, copy: Copier): void {
  copy.text("proc/sys/kernel/osrelease", `${kernel}\n`);
  const { host } = whereAndWhen(roots.proc);
  if (host !== null) copy.text("proc/sys/kernel/hostname", `${host}\n`);
  // A kernel before 6.1 has no such file; what was found out otherwise is kept in its place.
  if (arch !== "") copy.text("proc/sys/kernel/arch", `${arch}\n`);
  for (const name of listFolder(join(roots.sys, "kernel/mm"))) copy.folder(`sys/kernel/mm/${name}`);
  copy.file(`${THP}/enabled`);
  copy.file(`${THP}/hpage_pmd_size`);
  if (pageSize !== null) copy.text("proc/self/smaps", `KernelPageSize: ${pageSize / 1024} kB\n`);
  for (const name of listFolder(join(roots.sys, "class/iommu"))) copy.link(`sys/class/iommu/${name}`);
}

function recordProcesses(machine: Machine, copy: Copier): Omit<Recorded, "devices"> {
  const { proc } = machine.roots;
  let refused = 0;
  const scanned = scanProcesses(proc, null);
  recordAbout(proc, recordedProcesses(proc) ?? scanned.length, copy);
  const devices = deviceIndex(machine.roots.sys);
  const holders: Holder[] = [];
  for (const { pid, found } of scanned) {
    if (typeof found !== "string") {
      const holder = found.length === 0 ? null : holderOf(machine, devices, pid, found);
      if (holder !== null && holder.found.length > 0) holders.push(holder);
    } else if (found !== "gone") {
      refused += 1;
      copy.file(`proc/${pid}/comm`);
      copy.text(`proc/${pid}/${RECORDED_REFUSAL}`, `${found}\n`);
    }
  }
  for (const holder of holders) recordProcess(machine, holder, copy);
  recordSmaps(machine, holders, copy);
  return { processes: holders.length, refused };
}

function recordAbout(proc: string, processes: number, copy: Copier): void {
  const { time } = whereAndWhen(proc);
  copy.text(
    `proc/${RECORDED_ABOUT}`,
    `${time === null ? "" : `time: ${time}\n`}processes: ${processes}\n${hidesProcesses(proc) ? "hidden: yes\n" : ""}`,
  );
}

function recordProcess(machine: Machine, { pid, command, program, found }: Holder, copy: Copier): void {
  const { proc } = machine.roots;
  const vmas = found.map(({ vma }) => vma);
  const folder = `proc/${pid}`;
  copy.file(`${folder}/comm`);
  const owner = readOwner(proc, pid);
  if (owner !== null) copy.text(`${folder}/${RECORDED_OWNER}`, ownerText(owner));
  if (program !== programOf(command)) copy.text(`${folder}/${RECORDED_PROGRAM}`, `${program}\n`);
  const status = readTextOrNull(join(proc, `${pid}/status`)) ?? "";
  const kept = status.split("\n").filter((line) => /^(?:VmSize|VmPTE|THP_enabled):/.test(line));
  copy.text(`${folder}/status`, kept.map((line) => `${line}\n`).join(""));
  copy.text(`${folder}/maps`, vmas.map(mapsLine).join(""));
  const count = countMappings(proc, pid, readStatus(proc, pid).vmSizeBytes ?? 0);
  if (count !== null) copy.text(`${folder}/${RECORDED_MAPPINGS}`, `${count}\n`);
  recordSockets(proc, pid, vmas, copy);
  const fds = listFolderOrNull(join(proc, `${pid}/fd`));
  // Empty, it says that there are none; left out, that they could not be looked at.
  if (fds !== null) copy.folder(`${folder}/fd`);
  for (const fd of fds ?? []) {
    if (!isVfioFile(readLinkOrNull(join(proc, `${pid}/fd`, fd)) ?? "")) continue;
    copy.link(`${folder}/fd/${fd}`);
    copy.file(`${folder}/fdinfo/${fd}`);
  }
}

/** No socket table: it has the paths of everything on the machine that listens. */
function recordSockets(proc: string, pid: number, vmas: readonly Vma[], copy: Copier): void {
  const memory = vmas.filter((vma) => deviceFileOf(vma)?.kind === "vfio-user");
  const socketOf = socketFinder(proc, pid);
  const paths = new Map(memory.map((vma) => [vma.inode, socketOf(vma)]));
  const lines = [...paths].flatMap(([inode, path]) => (path === null ? [] : [`${inode} ${path}\n`]));
  if (lines.length > 0) copy.text(`proc/${pid}/${RECORDED_SOCKETS}`, lines.join(""));
}

function isVfioFile(target: string): boolean {
  return (
    target === "anon_inode:[vfio-device]" ||
    /\/vfio\/(?:devices\/(?:noiommu-)?vfio|noiommu-)?\d+$/.test(target)
  );
}

function mapsLine({ start, end, perms, offset, dev, inode, path }: Vma): string {
  const hex = (value: bigint): string => value.toString(16).padStart(8, "0");
  const fields = `${hex(start)}-${hex(end)} ${perms} ${hex(offset)} ${dev} ${inode}`;
  return `${fields.padEnd(72)} ${path.replaceAll("\n", "\\012")}\n`;
}

/**
 * What inspect reads of it on this machine, and no more: reading is not without effect. Where it is not permitted, what is
 * read from the record does without, as on the machine itself.
 */
function recordSmaps(machine: Machine, holders: readonly Holder[], copy: Copier): void {
  const { smaps } = surveySmaps(machine, holders, "needed", NOTHING_LEARNED);
  for (const { pid, found } of holders) {
    const entries = smaps.get(pid);
    if (entries === undefined) continue;
    const text = found.flatMap(({ vma }) => {
      const entry = entries.get(vma.start);
      if (entry === undefined) return [];
      const { huge, never, eligible } = entry;
      const told = eligible === null ? "" : `THPeligible:    ${eligible ? 1 : 0}\n`;
      return [`${mapsLine(vma)}${told}VmFlags:${huge ? " hg" : ""}${never ? " nh" : ""}\n`];
    });
    copy.text(`proc/${pid}/smaps`, text.join(""));
  }
}

/** What tells devices apart and how they are bound; nothing that identifies a single card, as serial numbers do. */
const DEVICE_FILES = [
  "resource",
  "vendor",
  "device",
  "class",
  "revision",
  "numa_node",
  ...OWN_MEMORY_PROPERTIES.map((name) => `of_node/${name}`),
  "boot_vga",
  "sriov_numvfs",
  "sriov_totalvfs",
  ...[0, 1, 2, 3, 4, 5].map((index) => `resource${index}_resize`),
];
const DEVICE_LINKS = ["driver", "iommu_group"];

function recordDevices({ sys }: MachineRoots, copy: Copier): number {
  const addresses = listFolder(join(sys, "bus/pci/devices"));
  for (const address of addresses) {
    const link = `bus/pci/devices/${address}`;
    copy.link(`sys/${link}`);
    // ../../../devices/pci0000:00/0000:00:01.0, from sys/bus/pci/devices
    const folder = join(dirname(link), readLinkOrNull(join(sys, link)) ?? basename(link));
    for (const name of DEVICE_FILES) copy.file(`sys/${folder}/${name}`);
    for (const name of DEVICE_LINKS) copy.link(`sys/${folder}/${name}`);
  }
  // By their classes, for not every device behind them is on PCI.
  for (const folder of recordClass(sys, "vfio-dev", copy)) copy.file(`sys/${folder}/dev`);
  for (const folder of recordClass(sys, "uio", copy)) {
    copy.file(`sys/${folder}/dev`);
    for (const map of listFolder(join(sys, folder, "maps"))) copy.file(`sys/${folder}/maps/${map}/addr`);
  }
  for (const group of listFolder(join(sys, "kernel/iommu_groups"))) {
    for (const address of listFolder(join(sys, "kernel/iommu_groups", group, "devices"))) {
      copy.link(`sys/kernel/iommu_groups/${group}/devices/${address}`);
      // ../../../../devices/platform/axi/a0000000.fpga: of one that is not on PCI, its driver is all that is asked for.
      const link = readLinkOrNull(join(sys, "kernel/iommu_groups", group, "devices", address)) ?? "";
      const folder = join("kernel/iommu_groups", group, "devices", link);
      if (folder.startsWith("devices/") && !addresses.includes(address)) copy.link(`sys/${folder}/driver`);
    }
  }
  return addresses.length;
}

/** Saves the links to the devices of a class, and returns where they lead, from the folder of sysfs. */
function recordClass(sys: string, kind: string, copy: Copier): string[] {
  return listFolder(join(sys, "class", kind)).flatMap((name) => {
    copy.link(`sys/class/${kind}/${name}`);
    const folder = join("class", kind, readLinkOrNull(join(sys, "class", kind, name)) ?? "");
    return folder.startsWith("devices/") ? [folder] : [];
  });
}
