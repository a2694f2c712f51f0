/** Finds every mapping of device memory on a machine and judges it. */

import type { PagingModel } from "../layout/paging.ts";
import { isAligned } from "../layout/sizes.ts";
import { confirmDevice } from "./identify/confirm.ts";
import { gateOf, type DeviceVma, type Holder, type JudgedGate, type Obstacle } from "./judge/gate.ts";
import { hidesProcesses } from "./proc/hidden.ts";
import { readOwner } from "./proc/owner.ts";
import { readMachine, type Machine } from "./proc/machine.ts";
import type { MachineRoots } from "../vfio/device-uses.ts";
import { NOT_IDENTIFIED } from "./identify/identity.ts";
import { identifyMappings } from "./identify/mapped-device.ts";
import { fullBdf } from "../vfio/sysfs/bdf.ts";
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
import { isProcfs, readCommand, readStatus } from "./proc/process.ts";
import { readProgram } from "./proc/program.ts";
import { judgeProcess } from "./judge/process-mappings.ts";
import { surveySmaps, type SmapsUse } from "./judge/read-smaps.ts";
import { lackingRights } from "./proc/rights.ts";
import { whereAndWhen } from "./proc/recorded.ts";
import { scanProcesses } from "./proc/scan-processes.ts";
import type { ScannedProcess } from "./proc/scan-turns.ts";
import { NOTHING_LEARNED, type LearnedKernel } from "../rules/learned.ts";
import type { Vma } from "./proc/vma.ts";

/** How to look. */
export interface InspectOptions {
  /**
   * How much of smaps may be read; `thorough` where processes were asked for, else `needed`. Reading it is not without effect
   * (`judge/read-smaps.ts`): `once` is for what looks again and again, `never` for what shows page tables as they are.
   */
  readonly smaps?: SmapsUse;
  /** What an earlier look on this machine has learned of its kernel. */
  readonly learned?: LearnedKernel;
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
  const isLive = isProcfs(roots.proc);
  const holders = new Map(
    scanned.flatMap(({ pid, found }): [number, Holder][] => {
      if (typeof found === "string" || (found.length === 0 && !asked)) return [];
      const holder = holderOf(machine, devices, pid, found);
      // Without memory of its own it has ended meanwhile, and what was read of it since is nobody's.
      const { vmSizeBytes, vmPteBytes } = holder.status;
      const hasEnded = isLive && found.length > 0 && vmSizeBytes === null && vmPteBytes === null;
      return hasEnded ? [] : [[pid, holder]];
    }),
  );
  const { smaps: use = asked ? "thorough" : "needed", learned: known = NOTHING_LEARNED } = options;
  const { smaps, learned } = surveySmaps(machine, [...holders.values()], use, known);
  const processes = scanned.flatMap(({ pid, found }): InspectedProcess[] => {
    if (typeof found === "string") {
      const refused = refusedProcess(roots.proc, pid, found, asked);
      return refused === null ? [] : [refused];
    }
    const holder = holders.get(pid);
    if (holder === undefined && found.length > 0) {
      const ended = refusedProcess(roots.proc, pid, "gone", asked);
      return ended === null ? [] : [ended];
    }
    // What looked like a device's mapping may turn out to be none.
    if (holder === undefined || (holder.found.length === 0 && !asked)) return [];
    const entries = smaps.get(pid);
    return [
      inspectHolder(machine, holder, (mapping) =>
        gateOf(machine, holder, mapping, entries?.get(mapping.vma.start) ?? null, learned),
      ),
    ];
  });
  return {
    machine,
    ...whereAndWhen(roots.proc),
    scanned: countOfProcesses(roots.proc, scanned.length, asked),
    hidden: !asked && hidesProcesses(roots.proc),
    lacking: lackingRights(roots.proc),
    processes,
    learned,
  };
}

/** A process, and what of its mappings is device memory. */
export function holderOf(
  machine: Machine,
  devices: DeviceIndex,
  pid: number,
  scanned: readonly FoundVma[],
): Holder {
  const { roots, model } = machine;
  const real = scanned
    .filter(({ vma }) => isMappable(vma, model))
    .filter(({ vma, file }) => confirmDevice(roots, pid, vma, file));
  const identities = identifyMappings(machine, devices, pid, real);
  const found = real.map(({ vma, file }, index) => ({
    vma,
    file,
    identity: identities[index] ?? NOT_IDENTIFIED,
    obstacle: obstacleTo(devices, identities[index]?.device ?? null),
  }));
  const command = readCommand(roots.proc, pid);
  // Of who has nothing of a device it does not matter.
  const program = found.length === 0 ? "other" : readProgram(roots.proc, pid, command);
  return { pid, command, program, status: readStatus(roots.proc, pid), found };
}

/** Base class 06 is a bridge's, whose header vfio-pci refuses (vfio_pci_core_register_device), but for the host's own. */
const BRIDGES = /^06(?!00)/;

function obstacleTo(devices: DeviceIndex, device: string | null): Obstacle | null {
  if (device === null || fullBdf(device) !== device) return null;
  const pci = devices.find(device);
  if (pci === null) return devices.names().includes(device) ? null : "gone";
  if (BRIDGES.test(pci.class.toString(16).padStart(6, "0"))) return "bridge";
  return pci.iommuGroup === null && !pci.boundToVfio ? "no-iommu" : null;
}

function inspectHolder(
  machine: Machine,
  holder: Holder,
  gateOfMapping: (mapping: DeviceVma) => JudgedGate,
): InspectedProcess {
  const { pid, command, status } = holder;
  const { roots } = machine;
  const mappings = judgeProcess(machine, holder, gateOfMapping);
  const guests = mappings.length === 0 ? null : guestsOf(roots, pid);
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
