/** Finds every mapping of device memory on a machine and judges it. */

import { join } from "node:path";
import type { PagingModel } from "../layout/paging.ts";
import { isAligned } from "../layout/sizes.ts";
import { confirmDevice } from "./confirm.ts";
import { adviceMatters, type Advice } from "./gate.ts";
import { readMachine, type Machine } from "./machine.ts";
import type { MachineRoots } from "../vfio/device-uses.ts";
import { deviceFinder } from "./mapped-device.ts";
import type { FoundVma } from "./device-vmas.ts";
import { deviceIndex, type DeviceIndex } from "./device-index.ts";
import { listProcesses, readCommand, readStatus } from "./process.ts";
import type { Unreadable } from "./read-file.ts";
import { groupByRegion, judgeRegion, type InspectedMapping } from "./region-mappings.ts";
import { startScan } from "./scan-processes.ts";
import { readAdvice } from "./smaps.ts";
import type { Vma } from "./vma.ts";

export interface InspectedProcess {
  readonly pid: number;
  /** The process's name; empty where it cannot be read. */
  readonly command: string;
  /** Bytes of page tables it really has; null where they cannot be read. */
  readonly vmPteBytes: number | null;
  readonly mappings: readonly InspectedMapping[];
  /** Why its mappings could not be read; null where they could. */
  readonly refused: Unreadable | null;
}

export interface Inspection {
  readonly machine: Machine;
  /** Those with device mappings, and those that could not be read, by number. */
  readonly processes: readonly InspectedProcess[];
}

/**
 * Inspects the processes given, or all there are. What cannot be read is a row that says so; nothing is thrown for it.
 *
 * @param pids those to inspect; each gets a row, whatever it has
 * @param scan of them, or of all, where it is under way already
 */
export function inspectMachine(
  roots: MachineRoots,
  pids: readonly number[] | null = null,
  scan = startScan(roots.proc, pids ?? listProcesses(roots.proc)),
): Inspection {
  const machine = readMachine(roots);
  const devices = deviceIndex(roots.sys);
  const processes: InspectedProcess[] = [];
  for (const { pid, found } of scan.finish()) {
    if (typeof found === "string") {
      // A process that ended between the listing and the reading is none: only who asked for it hears of it.
      if (found === "gone" && pids === null) continue;
      const command = readCommand(roots.proc, pid);
      processes.push({ pid, command, vmPteBytes: null, mappings: [], refused: found });
    } else if (found.length > 0 || pids !== null) {
      const process = inspectProcess(machine, devices, pid, found);
      // What looked like a device's mapping may turn out to be none.
      if (process.mappings.length > 0 || pids !== null) processes.push(process);
    }
  }
  return { machine, processes };
}

function inspectProcess(
  machine: Machine,
  devices: DeviceIndex,
  pid: number,
  found: readonly FoundVma[],
): InspectedProcess {
  const { roots } = machine;
  const real = found
    .filter(({ vma }) => isMappable(vma, machine.model))
    .filter(({ vma, file }) => confirmDevice(roots, pid, vma, file));
  const { vmPteBytes, thpEnabled } = readStatus(roots.proc, pid);
  const advice = adviceOn(machine, pid, real);
  const identify = deviceFinder(machine, devices, pid);
  const groups = groupByRegion(real.map(({ vma, file }) => ({ vma, file, identity: identify(vma, file) })));
  const mappings = groups.map((group) => judgeRegion(machine, thpEnabled, advice, group));
  return { pid, command: readCommand(roots.proc, pid), vmPteBytes, mappings, refused: null };
}

/** No kernel maps parts of pages; a file that says so is not one of /proc. */
function isMappable({ start, size }: Vma, model: PagingModel | null): boolean {
  return model === null || (isAligned(start, BigInt(model.pageSize)) && isAligned(size, model.pageSize));
}

/** The advice on the VFIO mappings, where the verdict hangs on it; null where not, or where it may not be read. */
function adviceOn(machine: Machine, pid: number, found: readonly FoundVma[]): Map<bigint, Advice> | null {
  const vfio = found.filter(({ file }) => file.kind === "vfio-group" || file.kind === "vfio-cdev");
  if (vfio.length === 0 || !adviceMatters(machine)) return null;
  try {
    return readAdvice(join(machine.roots.proc, `${pid}/smaps`), new Set(vfio.map(({ vma }) => vma.start)));
  } catch {
    return null;
  }
}
