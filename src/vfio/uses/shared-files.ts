/**
 * Drivers whose files sysfs does not place below their functions: NVIDIA's, which makes its own, and AMD's compute
 * driver, which has one for all. A file that could be the function's counts as its own.
 */

import { join } from "node:path";
import type { MachineRoots } from "../sysfs/machine-roots.ts";
import { readFolder, readLinkName, readNumber } from "../sysfs/sysfs.ts";
import { processTitles, type HeldFile } from "./processes.ts";
import { textOf } from "./reading.ts";

const PCI_BASE_CLASS_DISPLAY = 0x03;

interface SharedFiles {
  /** The file of one function; its group is the number. */
  readonly one: RegExp;
  /** Those that all functions share. */
  readonly all: RegExp;
}

const DRIVERS: Readonly<Record<string, SharedFiles>> = {
  nvidia: {
    one: /\/dev\/nvidia(\d+)$/,
    all: /\/dev\/(?:nvidiactl|nvidia-(?:uvm|modeset|uvm-tools|vgpuctl|caps\/.*))$/,
  },
  amdgpu: { one: /\/dev\/dri\/(?:card|renderD)(\d+)$/, all: /\/dev\/kfd$/ },
  neuron: { one: /\/dev\/neuron(\d+)$/, all: /\/dev\/neuron$/ },
};

export function sharedFileUses(roots: MachineRoots, bdf: string, held: readonly HeldFile[]): string[] {
  return [...unplacedDisplayUses(roots, bdf, held), ...driverFileUses(roots, bdf, held)];
}

/** Of a record that does not place any display's files, each can be this one's. */
function unplacedDisplayUses(roots: MachineRoots, bdf: string, held: readonly HeldFile[]): string[] {
  const { sys } = roots;
  const home = join(sys, "bus/pci/devices", bdf);
  const isDisplay = (readNumber(home, "class") ?? 0) >>> 16 === PCI_BASE_CLASS_DISPLAY;
  const isPlaced = readFolder(sys, "class/drm") !== null || readFolder(home, "drm") !== null;
  if (!isDisplay || isPlaced || readLinkName(home, "driver") === null) return [];
  const holders = new Map<string, Set<number>>();
  for (const { pid, path } of held) {
    if (/\/dev\/dri\/\w+$/.test(path)) holders.set(path, (holders.get(path) ?? new Set()).add(pid));
  }
  return [...holders].map(([path, pids]) => {
    const verb = pids.size === 1 ? "has" : "have";
    return `${processTitles(roots, pids)} ${verb} ${path} open, which may be this one's`;
  });
}

function driverFileUses(roots: MachineRoots, bdf: string, held: readonly HeldFile[]): string[] {
  const driver = readLinkName(roots.sys, "bus/pci/devices", bdf, "driver") ?? "";
  const files = DRIVERS[driver];
  if (files === undefined) return [];
  const number = driver === "nvidia" ? nvidiaMinor(roots, bdf) : null;
  const holders = new Map<string, Set<number>>();
  // Who has the file of one function uses the shared ones for that one.
  const placed = new Set(held.flatMap(({ pid, path }) => (files.one.test(path) ? [pid] : [])));
  for (const { pid, path } of held) {
    const own = files.one.exec(path)?.[1];
    const isOfFunction =
      own === undefined
        ? files.all.test(path) && !placed.has(pid)
        : driver !== "amdgpu" && (number === null || Number(own) === number);
    if (isOfFunction) holders.set(path, (holders.get(path) ?? new Set()).add(pid));
  }
  const isCertain = number !== null || functionsOf(roots, driver) === 1;
  return [...holders].map(([path, pids]) => {
    const who = `${processTitles(roots, pids)} ${pids.size === 1 ? "has" : "have"} ${path} open`;
    return isCertain ? who : `${who}, which may be this one's`;
  });
}

/** The driver's own word. */
function nvidiaMinor({ proc }: MachineRoots, bdf: string): number | null {
  const text = textOf(proc, "driver/nvidia/gpus", bdf, "information");
  const minor = /^Device Minor:\s*(\d+)/m.exec(text)?.[1];
  return minor === undefined ? null : Number(minor);
}

function functionsOf({ sys }: MachineRoots, driver: string): number {
  const names = readFolder(sys, "bus/pci/devices") ?? [];
  return names.filter((bdf) => readLinkName(join(sys, "bus/pci/devices", bdf), "driver") === driver).length;
}
