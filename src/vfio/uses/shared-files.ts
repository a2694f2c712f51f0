/**
 * Drivers whose files sysfs does not place below their functions: NVIDIA's, which makes its own, AMD's compute driver and
 * others, which have one for all. A file that could be the function's counts as its own.
 */

import { join } from "node:path";
import type { MachineRoots } from "../sysfs/machine-roots.ts";
import { readFolder, readLinkName, readNumber } from "../sysfs/sysfs.ts";
import { processTitles, type HeldFile } from "./machine/processes.ts";
import { textOf } from "./machine/reading.ts";

const PCI_BASE_CLASS_DISPLAY = 0x03;

interface SharedFiles {
  readonly drivers: RegExp;
  /** A folder below the function, or its virtio device, that stands for a driver: those with RDMA are many. */
  readonly folder?: string;
  /** The file of one function; its group is the number. */
  readonly one?: RegExp;
  /** Whether sysfs places that file, so that `one` need not be told of here. */
  readonly isPlaced?: true;
  /** Those that all functions share. */
  readonly all: RegExp;
}

const SHARED: readonly SharedFiles[] = [
  {
    drivers: /^nvidia$/,
    one: /\/dev\/nvidia(\d+)$/,
    all: /\/dev\/(?:nvidiactl|nvidia-(?:uvm|modeset|uvm-tools|vgpuctl|nvlink|caps(?:-imex-channels)?\/.*)|nvidia-fs\d*|gdrdrv)$/,
  },
  {
    drivers: /^nvidia-nvswitch$/,
    one: /\/dev\/nvidia-nvswitch(\d+)$/,
    all: /\/dev\/nvidia-nvswitchctl$/,
  },
  { drivers: /^amdgpu$/, one: /\/dev\/dri\/(?:card|renderD)(\d+)$/, isPlaced: true, all: /\/dev\/kfd$/ },
  { drivers: /^neuron$/, one: /\/dev\/neuron(\d+)$/, all: /\/dev\/neuron$/ },
  // drivers/infiniband/core/ucma.c
  {
    drivers: /^$/,
    folder: "infiniband",
    one: /\/dev\/infiniband\/(?:uverbs|umad|issm)(\d+)$/,
    isPlaced: true,
    all: /\/dev\/infiniband\/rdma_cm$/,
  },
  // drivers/char/virtio_console.c: consoles are ttys of hvc's, with no parent
  { drivers: /^$/, folder: "virtio-ports", all: /\/dev\/hvc\d+$/ },
  // drivers/crypto/intel/qat/qat_common/adf_ctl_drv.c, by Intel's drivers of that family
  { drivers: /^(?:4xxx|420xx|6xxx|c3xxx|c6xx|dh895xcc)(?:vf)?$/, all: /\/dev\/(?:qat_adf_ctl|usdm_drv)$/ },
  // mpt3sas_ctl.c, megaraid_sas_base.c, sev-dev.c: devices of theirs without a parent
  { drivers: /^mpt3sas$/, all: /\/dev\/mpt[23]ctl$/ },
  { drivers: /^megaraid_sas$/, all: /\/dev\/megaraid_sas_ioctl_node$/ },
  { drivers: /^ccp$/, all: /\/dev\/sev$/ },
];

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
  return SHARED.flatMap((files) => {
    const isIts = isShared(roots, files);
    return isIts(bdf) ? sharedUses(roots, { bdf, driver, files, isIts }, held) : [];
  });
}

/** Tells the functions that such files are for. */
function isShared({ sys }: MachineRoots, { drivers, folder }: SharedFiles): (bdf: string) => boolean {
  return (bdf) => {
    const home = join(sys, "bus/pci/devices", bdf);
    const driver = readLinkName(home, "driver");
    if (driver !== null && drivers.test(driver)) return true;
    if (folder === undefined) return false;
    const virtio = (readFolder(home) ?? []).filter((name) => /^virtio\d+$/.test(name));
    return ["", ...virtio].some((name) => readFolder(home, name, folder) !== null);
  };
}

interface Sharing {
  readonly bdf: string;
  readonly driver: string;
  readonly files: SharedFiles;
  readonly isIts: (bdf: string) => boolean;
}

function sharedUses(
  roots: MachineRoots,
  { bdf, driver, files, isIts }: Sharing,
  held: readonly HeldFile[],
): string[] {
  const number = driver === "nvidia" ? nvidiaMinor(roots, bdf) : null;
  const holders = new Map<string, Set<number>>();
  // Who has the file of one function uses the shared ones for that one.
  const placed = new Set(held.flatMap(({ pid, path }) => (files.one?.test(path) === true ? [pid] : [])));
  for (const { pid, path } of held) {
    const own = files.one?.exec(path)?.[1];
    const isOfFunction =
      own === undefined
        ? files.all.test(path) && !placed.has(pid)
        : files.isPlaced !== true && (number === null || Number(own) === number);
    if (isOfFunction) holders.set(path, (holders.get(path) ?? new Set()).add(pid));
  }
  const sharers = (readFolder(roots.sys, "bus/pci/devices") ?? []).filter(isIts);
  const isCertain = number !== null || sharers.length === 1;
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
