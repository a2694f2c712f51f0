/** The stable JSON of an inspection (schemaVersion 1). */

import { formatAddress } from "./proc/hex.ts";
import type { Inspection, InspectedProcess } from "./inspection.ts";
import { outcomeOf } from "./outcome.ts";
import type { Cost } from "./judge/judge.ts";
import type { InspectedMapping } from "./judge/region-mappings.ts";

/** Sizes and offsets are numbers of bytes, addresses `"0x…"` strings; null is not known. */
export function inspectionJson(inspection: Inspection): object {
  const { machine, host, time, processes } = inspection;
  const outcome = outcomeOf(inspection);
  return {
    schemaVersion: 1,
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
      exitCode: outcome.exitCode,
    },
    processes: processes.map(processJson),
  };
}

function processJson({ pid, command, vmPteBytes, mappings, refused }: InspectedProcess): unknown {
  return { pid, command, vmPteBytes, refused, mappings: mappings.map(mappingJson) };
}

function mappingJson(mapping: InspectedMapping): unknown {
  const { vmas, identity, now, between, best, verdict, reasons, evidence, source } = mapping;
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
    vmas: vmas.map(({ start, size, perms, offset }) => ({
      address: formatAddress(start),
      size,
      perms,
      fileOffset: formatAddress(offset),
    })),
  };
}

function leavesJson(cost: Cost | null): unknown {
  return cost === null ? null : cost.leaves.map(({ size, count }) => ({ size, count }));
}
