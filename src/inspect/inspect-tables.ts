/** Adds to an inspection what page tables hold: evidence that outweighs every rule. */

import { hugebarError } from "../errors.ts";
import { withTables } from "./judge/with-tables.ts";
import { judgeSlots } from "./judge/guest-slots.ts";
import type { InspectedProcess, Inspection } from "./inspection.ts";
import { isProcfs } from "./proc/process.ts";
import { readRecordedTables } from "./tables/recorded-tables.ts";
import { TablesReader, type Progress, type WantedProcess } from "./tables/read-tables.ts";
import type { ProcessReading, Readings } from "./tables/readings.ts";

/**
 * Give it an inspection that has not read smaps (`{ smaps: "never" }`), which takes leaves of 1 GiB apart.
 *
 * Reads the page tables below every mapping that the inspection found, and those of guests over them: of this machine by
 * `/proc/kcore`, of a recorded one what was recorded.
 *
 * @param options.progress told now and then how many bytes of addresses have been walked, of one mapping
 * @param options.reader reads this machine; where there is none, one is opened for this once
 * @throws ERR_PERMISSION, ERR_NOT_SUPPORTED or ERR_PROTOCOL where page tables cannot be read; ERR_ARGUMENT where the
 *   machine was recorded without them
 */
export function inspectTables(inspection: Inspection, options: TablesOptions = {}): Inspection {
  const readings = readingsOf(inspection, options);
  return addReadings(inspection, readings);
}

export interface TablesOptions {
  readonly progress?: Progress;
  readonly reader?: TablesReader;
}

/** What there is to read of an inspection's mappings. */
export function readingsOf(inspection: Inspection, { progress, reader }: TablesOptions = {}): Readings {
  const { machine, processes } = inspection;
  const { proc } = machine.roots;
  if (isProcfs(proc)) {
    const own = reader ?? new TablesReader(machine);
    try {
      return own.read(wantedOf(inspection), progress);
    } finally {
      if (own !== reader) own.close();
    }
  }
  const recorded = new Map<number, ProcessReading>();
  for (const { pid, mappings } of processes) {
    const reading = mappings.length === 0 ? null : readRecordedTables(proc, pid);
    if (reading !== null) recorded.set(pid, reading);
  }
  if (recorded.size === 0 && processes.some(({ mappings }) => mappings.length > 0)) {
    throw hugebarError("ERR_ARGUMENT", {
      what: proc,
      problem: "no page tables were recorded there: hugebar record --tables saves them",
    });
  }
  return recorded;
}

function wantedOf({ processes }: Inspection): WantedProcess[] {
  return processes
    .filter(({ mappings }) => mappings.length > 0)
    .map(({ pid, mappings }) => ({
      pid,
      mappings: mappings.flatMap(({ vmas, kind }) =>
        vmas.map((vma) => ({ vma, isMemory: kind === "mem" ? null : kind === "vfio-user" })),
      ),
    }));
}

function addReadings(inspection: Inspection, readings: Readings): Inspection {
  const { model } = inspection.machine;
  if (model === null) return inspection;
  const processes = inspection.processes.map((process): InspectedProcess => {
    const reading = readings.get(process.pid);
    if (reading === undefined) return process;
    const mappings = process.mappings.map((mapping) => withTables(mapping, reading, model.pageSize));
    const { machines } = reading;
    if (machines === null || (machines.length === 0 && process.guests === null)) {
      return { ...process, mappings };
    }
    const pieces = machines.flatMap((slots) => judgeSlots(slots, mappings, model));
    const guests = { counters: [], secondStage: null, ...process.guests, pieces };
    return { ...process, mappings, guests };
  });
  return { ...inspection, processes };
}
