/** Finds every mapping of device memory on a machine and judges it. */

import { join } from "node:path";
import type { PagingModel } from "../layout/paging.ts";
import { isAligned } from "../layout/sizes.ts";
import { confirmDevice } from "./identify/confirm.ts";
import { gateOf, toAskSmapsAbout, type DeviceVma } from "./judge/gate.ts";
import { hidesProcesses } from "./proc/hidden.ts";
import { readOwner } from "./proc/owner.ts";
import { readMachine, type Machine } from "./proc/machine.ts";
import type { MachineRoots } from "../vfio/device-uses.ts";
import { NOT_IDENTIFIED } from "./identify/identify.ts";
import { identifyMappings } from "./identify/mapped-device.ts";
import type { FoundVma } from "./proc/device-vmas.ts";
import { deviceIndex, type DeviceIndex } from "./identify/device-index.ts";
import {
  countOfProcesses,
  refusedProcess,
  type InspectedGuests,
  type InspectedProcess,
  type Inspection,
} from "./inspection.ts";
import { readGuestCounters, readSecondStageUse } from "./proc/guest-counters.ts";
import { isProcfs, readCommand, readStatus, type ProcessStatus } from "./proc/process.ts";
import { judgeProcess } from "./judge/process-mappings.ts";
import { whereAndWhen } from "./proc/recorded.ts";
import { scanProcesses } from "./proc/scan-processes.ts";
import type { ScannedProcess } from "./proc/scan-turns.ts";
import { readSmaps, type SmapsEntry } from "../memory/smaps.ts";
import type { Vma } from "./proc/vma.ts";

/** How thoroughly to look. */
export interface InspectOptions {
  /**
   * Whether smaps may be read where a verdict hangs on it; it may unless this is false. Reading it is not without effect: the
   * kernel's walk (mm/pagewalk.c, walk_pud_range) takes leaves of 1 GiB apart, a guest's with them, and the next touch has to
   * lay them anew. So `false` is for what looks again and again; verdicts that hang on it are then unknown.
   */
  readonly smaps?: boolean;
}

/**
 * Inspects the processes given, or all there are. What cannot be read is a row that says so; nothing is thrown for it.
 *
 * @param pids those to inspect; each gets a row, whatever it has
 */
export function inspectMachine(
  roots: MachineRoots,
  pids: readonly number[] | null = null,
  options: InspectOptions = {},
): Inspection {
  return inspectScanned(roots, scanProcesses(roots.proc, pids), pids !== null, options);
}

/**
 * Judges what a scan has found.
 *
 * @param asked the processes were asked for: each gets a row
 */
export function inspectScanned(
  roots: MachineRoots,
  scanned: readonly ScannedProcess[],
  asked: boolean,
  options: InspectOptions = {},
): Inspection {
  const machine = readMachine(roots);
  const devices = deviceIndex(roots.sys);
  const processes: InspectedProcess[] = [];
  for (const { pid, found } of scanned) {
    if (typeof found === "string") {
      const process = refusedProcess(roots.proc, pid, found, asked);
      if (process !== null) processes.push(process);
    } else if (found.length > 0 || asked) {
      const process = inspectProcess(machine, devices, pid, found, options);
      // What looked like a device's mapping may turn out to be none.
      if (process.mappings.length > 0 || asked) processes.push(process);
    }
  }
  return {
    machine,
    ...whereAndWhen(roots.proc),
    scanned: countOfProcesses(roots.proc, scanned.length, asked),
    hidden: !asked && hidesProcesses(roots.proc),
    processes,
  };
}

function inspectProcess(
  machine: Machine,
  devices: DeviceIndex,
  pid: number,
  scanned: readonly FoundVma[],
  options: InspectOptions,
): InspectedProcess {
  const { roots } = machine;
  const real = scanned
    .filter(({ vma }) => isMappable(vma, machine.model))
    .filter(({ vma, file }) => confirmDevice(roots, pid, vma, file));
  const status = readStatus(roots.proc, pid);
  const identities = identifyMappings(machine, devices, pid, real);
  const found = real.map(({ vma, file }, index) => ({
    vma,
    file,
    identity: identities[index] ?? NOT_IDENTIFIED,
  }));
  const smaps = smapsOf(machine, pid, status, found, options);
  const mappings = judgeProcess(machine, pid, status, found, (mapping) =>
    gateOf(machine, status, mapping, smaps?.get(mapping.vma.start) ?? null),
  );
  const guests = mappings.length === 0 ? null : guestsOf(roots, pid);
  const command = readCommand(roots.proc, pid);
  const owner = readOwner(roots.proc, pid);
  return { pid, command, owner, vmPteBytes: status.vmPteBytes, mappings, guests, refused: null };
}

function guestsOf(roots: MachineRoots, pid: number): InspectedGuests | null {
  const counters = readGuestCounters(roots, pid);
  if (counters.length === 0) return null;
  return { counters, secondStage: readSecondStageUse(roots, pid), pieces: null };
}

/** No kernel maps parts of pages; a file that says so is not one of /proc. */
function isMappable({ start, size }: Vma, model: PagingModel | null): boolean {
  return model === null || (isAligned(start, BigInt(model.pageSize)) && isAligned(size, model.pageSize));
}

/** What smaps says of the mappings, where that is worth asking; null where not, or where it may not be read. */
function smapsOf(
  machine: Machine,
  pid: number,
  status: ProcessStatus,
  found: readonly DeviceVma[],
  { smaps = true }: InspectOptions,
): Map<bigint, SmapsEntry> | null {
  // A recorded machine's is a file.
  if (!smaps && isProcfs(machine.roots.proc)) return null;
  const asked = toAskSmapsAbout(machine, status, found);
  if (asked.length === 0) return null;
  try {
    return readSmaps(join(machine.roots.proc, `${pid}/smaps`), new Set(asked.map(({ start }) => start)));
  } catch {
    return null;
  }
}
