/** Reads page tables of this machine for the device mappings that an inspection has found. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { HugebarError, hugebarError } from "../../errors.ts";
import { CHANGED } from "../../page-tables/changed.ts";
import { openKernelMemory, type KernelMemory } from "../../page-tables/kernel-memory.ts";
import type { LeavesRead } from "../../page-tables/leaf-tally.ts";
import { ProcessTables } from "../../page-tables/processes.ts";
import { type MemorySlot, type VirtualMachine, VirtualMachines } from "../../page-tables/virtual-machines.ts";
import type { MachineRoots } from "../../vfio/sysfs/machine-roots.ts";
import type { Machine } from "../proc/machine.ts";
import type { Vma } from "../proc/vma.ts";
import type { ProcessReading, ReadPiece, ReadSlot, TableReading } from "./readings.ts";

/** A process whose tables are wanted: its mappings of device memory. */
export interface WantedProcess {
  readonly pid: number;
  readonly mappings: readonly WantedMapping[];
}

export interface WantedMapping {
  readonly vma: Vma;
  /** Plain memory lies behind it, that of a vfio-user device; null where it may be either. */
  readonly isMemory: boolean | null;
}

/** Told now and then how many bytes of addresses have been walked. */
export type Progress = (bytes: number) => void;

/** Reads page tables of this machine until it is closed: the kernel's types are read once. */
export class TablesReader {
  readonly #roots: MachineRoots;
  readonly #kernel: KernelMemory;
  readonly #processes: ProcessTables;

  /** @throws ERR_PERMISSION, ERR_NOT_SUPPORTED or ERR_PROTOCOL where page tables cannot be read at all */
  constructor({ roots, arch, model }: Machine) {
    if (model === null) {
      throw hugebarError("ERR_NOT_SUPPORTED", {
        action: "read page tables",
        problem: "the paging of this machine is not known",
      });
    }
    this.#roots = roots;
    this.#kernel = openKernelMemory(roots, { arch, pageSize: model.pageSize });
    try {
      this.#processes = new ProcessTables(this.#kernel, roots.proc);
    } catch (error) {
      this.#kernel.close();
      throw error;
    }
  }

  /** The leaves of all these mappings, and of the second stages over them. Nothing is stopped, and no lock is taken. */
  read(wanted: readonly WantedProcess[], progress?: Progress): Map<number, ProcessReading> {
    const kernel = this.#kernel;
    const processes = this.#processes;
    const machines = machinesByProcess(kernel, processes);
    const isShadow = usesShadowMmu(this.#roots.sys);
    return new Map(
      wanted.map(({ pid, mappings }) => {
        const own = machines === null ? null : (machines.byProcess.get(pid) ?? []);
        return [
          pid,
          {
            mappings: readMappings(kernel, processes, pid, mappings, progress),
            machines:
              own === null || machines === null
                ? null
                : own.map((each) => readSlots(machines.reader, each, mappings, isShadow, progress)),
          },
        ];
      }),
    );
  }

  close(): void {
    this.#kernel.close();
  }
}

function readMappings(
  { kcore }: KernelMemory,
  processes: ProcessTables,
  pid: number,
  mappings: readonly WantedMapping[],
  progress: Progress | undefined,
): ProcessReading["mappings"] {
  return mappings.map(({ vma: { start, size }, isMemory }) => {
    // Device memory is none of the kernel's, and a served device's is.
    const isPlausible =
      isMemory === null ? undefined : (physical: number) => kcore.isMemory(physical) === isMemory;
    const read = processes.leaves(pid, [{ address: start, size }], {
      ...(isPlausible === undefined ? {} : { isPlausible }),
      ...(progress === undefined ? {} : { progress }),
    });
    const reading =
      read === null ? ({ state: "gone" } as const) : readingOf(read === CHANGED ? read : read[0]);
    return { address: start, size, reading };
  });
}

function readingOf(read: LeavesRead | typeof CHANGED | undefined): TableReading {
  if (read === undefined || read === CHANGED) return { state: "changed" };
  const { leaves, mappedBytes, runs } = read;
  return {
    state: "read",
    leaves,
    touchedBytes: mappedBytes,
    runs: runs === null ? null : runs.map(({ offset, leaf, count }) => ({ offset, leaf, count })),
  };
}

interface Machines {
  readonly reader: VirtualMachines;
  readonly byProcess: ReadonlyMap<number, readonly VirtualMachine[]>;
}

/** Null where there is no KVM, or its structures are not as expected: the host's tables are worth having without. */
function machinesByProcess(kernel: KernelMemory, processes: ProcessTables): Machines | null {
  let reader: VirtualMachines;
  try {
    reader = new VirtualMachines(kernel);
  } catch (error) {
    if (error instanceof HugebarError && error.code === "ERR_NOT_SUPPORTED") return null;
    throw error;
  }
  const list = reader.list();
  const pids = processes.byAddressSpace();
  if (list === CHANGED || pids === CHANGED) return null;
  const byProcess = new Map<number, VirtualMachine[]>();
  for (const machine of list) {
    const pid = pids.get(machine.mm);
    if (pid === undefined) continue;
    byProcess.set(pid, [...(byProcess.get(pid) ?? []), machine]);
  }
  return { reader, byProcess };
}

function readSlots(
  reader: VirtualMachines,
  machine: VirtualMachine,
  mappings: readonly WantedMapping[],
  isShadow: boolean,
  progress: Progress | undefined,
): ReadSlot[] {
  return machine.slots.flatMap((slot) => {
    const pieces = mappings.flatMap(({ vma }) => overlap(slot, vma));
    if (pieces.length === 0) return [];
    const read = reader.leaves(machine, pieces, progress === undefined ? {} : { progress });
    const readingAt = (index: number): TableReading => {
      if (read === null) return { state: isShadow ? "unknown" : "none" };
      return readingOf(read === CHANGED ? read : read[index]);
    };
    const { id, guestAddress, size, hostAddress, logsDirtyPages, readOnly } = slot;
    return [
      {
        id,
        guestAddress,
        size,
        hostAddress,
        logsDirtyPages,
        readOnly,
        pieces: pieces.map((piece, index): ReadPiece => Object.assign(piece, { reading: readingAt(index) })),
      },
    ];
  });
}

/** What of a slot lies on a mapping. */
function overlap(
  { guestAddress, hostAddress, size }: MemorySlot,
  { start, end }: Vma,
): Omit<ReadPiece, "reading">[] {
  const from = start > hostAddress ? start : hostAddress;
  const slotEnd = hostAddress + BigInt(size);
  const to = end < slotEnd ? end : slotEnd;
  if (from >= to) return [];
  return [{ guestAddress: guestAddress + (from - hostAddress), hostAddress: from, size: Number(to - from) }];
}

/** Without the TDP MMU a second stage has tables of another kind, or there is none and KVM shadows the guest's own. */
function usesShadowMmu(sys: string): boolean {
  try {
    return readFileSync(join(sys, "module/kvm/parameters/tdp_mmu"), "utf8").trim() === "N";
  } catch {
    return false;
  }
}
