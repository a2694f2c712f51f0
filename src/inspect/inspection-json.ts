/** The stable JSON of an inspection (schemaVersion 1). */

import { formatAddress } from "./proc/hex.ts";
import type { InspectedGuests, InspectedProcess, Inspection } from "./inspection.ts";
import { outcomeOf } from "./outcome.ts";
import type { InspectedGuestPiece } from "./judge/guest-slots.ts";
import { mappingDmaSteps } from "./judge/dma.ts";
import type { Cost } from "./judge/judge.ts";
import type { MappingTables } from "./judge/mapping-tables.ts";
import type { InspectedMapping } from "./judge/region-mappings.ts";
import type {
  CostReport,
  GuestSlotReport,
  GuestsReport,
  InspectionReport,
  MappingReport,
  ProcessReport,
  TablesReport,
} from "./inspection-report.ts";
import type { Machine } from "./proc/machine.ts";
import type { Difference } from "./tables/compare.ts";
import type { TableReading } from "./tables/readings.ts";
import { version } from "../version.ts";

export function inspectionJson(inspection: Inspection): InspectionReport {
  const { machine, host, time, processes } = inspection;
  const outcome = outcomeOf(inspection);
  return {
    schemaVersion: 1,
    version: version(),
    host,
    time,
    kernel: machine.kernel,
    arch: machine.arch,
    pageSize: machine.pageSize,
    thp: machine.thp,
    summary: {
      processes: outcome.processes,
      holders: outcome.holders,
      regions: outcome.regions,
      verdicts: outcome.verdicts,
      unreadable: outcome.unreadable,
      hidden: outcome.hidden,
      exitCode: outcome.exitCode,
    },
    processes: processes.map((process) => processJson(process, machine)),
  };
}

function processJson(process: InspectedProcess, machine: Machine): ProcessReport {
  const { pid, command, owner, vmPteBytes, mappings, guests, refused } = process;
  return {
    pid,
    command,
    owner,
    vmPteBytes,
    refused,
    mappings: mappings.map((mapping) => mappingJson(mapping, machine)),
    guests: guests === null ? null : guestsJson(guests),
  };
}

function guestsJson({ counters, secondStage, pieces }: InspectedGuests): GuestsReport {
  return {
    counters: counters.map(({ leaves }) => ({ leaves })),
    secondStageBytes: secondStage?.bytes ?? null,
    slots: pieces === null ? null : pieces.map(pieceJson),
  };
}

function pieceJson(piece: InspectedGuestPiece): GuestSlotReport {
  const { slot, mapping, leaves, best, reading, difference, reasons } = piece;
  return {
    slot: slot.id,
    guestAddress: formatAddress(piece.guestAddress),
    address: formatAddress(piece.hostAddress),
    size: piece.size,
    device: mapping.identity.device,
    region: mapping.identity.region,
    offset: piece.offset,
    logsDirtyPages: slot.logsDirtyPages,
    readOnly: slot.readOnly,
    leaves,
    best,
    pageTableBytes: piece.pageTableBytes,
    tables: tablesJson(reading, difference),
    verdict: piece.verdict,
    reasons: reasons.map(({ code }) => code),
    advice: reasons.map(({ advice }) => advice),
  };
}

function tablesJson(reading: TableReading, difference: Difference | null): TablesReport {
  const isRead = reading.state === "read";
  return {
    state: reading.state,
    leaves: isRead ? reading.leaves : null,
    touchedBytes: isRead ? reading.touchedBytes : null,
    smallerBytes: difference?.smallerBytes ?? null,
    largerBytes: difference?.largerBytes ?? null,
  };
}

function mappingTablesJson(tables: MappingTables | null): TablesReport | null {
  if (tables === null) return null;
  const { state, leaves, touchedBytes, difference } = tables;
  return {
    state,
    leaves,
    touchedBytes,
    smallerBytes: difference?.smallerBytes ?? null,
    largerBytes: difference?.largerBytes ?? null,
  };
}

function mappingJson(mapping: InspectedMapping, machine: Machine): MappingReport {
  const { vmas, identity, now, between, best, verdict, reasons, evidence, source, tables } = mapping;
  const [first] = vmas;
  return {
    address: first === undefined ? null : formatAddress(first.start),
    size: vmas.reduce((sum, { size }) => sum + size, 0),
    perms: first?.perms ?? null,
    path: first?.path ?? null,
    device: identity.device,
    region: identity.region,
    regionSize: identity.regionSize,
    candidates: identity.couldBe,
    offset: identity.offset,
    physical: identity.physical === null ? null : formatAddress(identity.physical),
    leaves: leavesJson(now),
    best: leavesJson(best),
    faults: now?.faults ?? null,
    bestFaults: best?.faults ?? null,
    pageTableBytes: now?.pageTableBytes ?? null,
    bestPageTableBytes: best?.pageTableBytes ?? null,
    dmaSteps: dmaStepsJson(mapping, machine),
    between:
      between?.map((cost) => ({
        leaves: leavesJson(cost),
        faults: cost.faults,
        pageTableBytes: cost.pageTableBytes,
      })) ?? null,
    verdict,
    evidence,
    evidenceFrom: source,
    reasons: reasons.map(({ code }) => code),
    advice: reasons.map(({ advice }) => advice),
    tables: mappingTablesJson(tables),
    vmas: vmas.map(({ start, size, perms, offset }) => ({
      address: formatAddress(start),
      size,
      perms,
      fileOffset: formatAddress(offset),
    })),
  };
}

/** Steps of mapping it for DMA once, as a monitor does for its guest; null for what no monitor maps so. */
function dmaStepsJson(mapping: InspectedMapping, machine: Machine): MappingReport["dmaSteps"] {
  const steps = mappingDmaSteps(mapping, machine);
  return steps === null ? null : { least: steps.least, most: steps.most };
}

function leavesJson(cost: Cost | null): CostReport["leaves"] {
  return cost === null ? null : cost.leaves.map(({ size, count }) => ({ size, count }));
}
