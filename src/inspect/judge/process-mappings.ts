/** Judges all device mappings of a process, for what its page tables prove is of all of them together. */

import type { PagingModel } from "../../layout/paging.ts";
import type { ProvedGate } from "../../rules/evidence.ts";
import { faultHandler } from "../../rules/handler.ts";
import { provesSmall } from "../../rules/vm-pte.ts";
import type { Machine } from "../proc/machine.ts";
import { countMappings } from "../proc/count-mappings.ts";
import type { ProcessStatus } from "../proc/process.ts";
import type { DeviceVma, Holder, JudgedGate } from "./gate.ts";
import type { Reason } from "./reasons.ts";
import type { TableReason } from "./tables-reasons.ts";
import { groupByRegion, judgeRegion, type InspectedMapping } from "./region-mappings.ts";

/** @param gateOf the gate of a mapping, and how it is known */
export function judgeProcess(
  machine: Machine,
  { pid, command, program, status, found }: Holder,
  gateOf: (mapping: DeviceVma) => JudgedGate,
): InspectedMapping[] {
  const groups = groupByRegion(found);
  const rows = groups.map((group) => judgeRegion(machine, group, gateOf, { command, program }));
  const { model } = machine;
  const doubtful = rows.filter(hangsOnKernel);
  if (model === null || doubtful.length === 0 || !pageTablesProveSmall(machine, pid, status, rows, model))
    return rows;
  // All of them are base pages then, but where one that may be huge is for certain.
  const keepsOpen = faultHandler(machine.kernel).dependsOnOrder === false;
  return groups.map((group, index) =>
    rows[index] !== undefined && !hangsOnKernel(rows[index])
      ? rows[index]
      : judgeRegion(
          machine,
          group,
          (mapping) => {
            const gate = gateOf(mapping);
            if (gate.gate === "unknown") return { ...gate, ...IN_BASE_PAGES };
            return gate.gate === "open" && !keepsOpen ? { ...gate, ...TOUCHED_OUT_OF_ORDER } : gate;
          },
          { command, program },
        ),
  );
}

const IN_BASE_PAGES: ProvedGate = {
  gate: "closed",
  cause: "no-huge-pfnmap",
  evidence: "kernel",
  source: "VmPTE",
};

/** What keeps huge leaves from a mapping that may have them. */
const TOUCHED_OUT_OF_ORDER: ProvedGate = { ...IN_BASE_PAGES, cause: "touch-order" };

const NOT_OF_THE_KERNEL: ReadonlySet<Reason | TableReason> = new Set<Reason | TableReason>([
  "physical-unknown",
  "device-unknown",
  "driver-unknown",
  "advice-unknown",
  "thp-unknown",
  "wrong-memory",
]);

/** All that is not known of it is what the kernel does: the same for each of the process's mappings. */
function hangsOnKernel({ verdict, reasons }: InspectedMapping): boolean {
  return (
    verdict === "unknown" &&
    reasons.some(({ code }) => code === "kernel-unknown" || code === "touch-order") &&
    !reasons.some(({ code }) => NOT_OF_THE_KERNEL.has(code))
  );
}

function pageTablesProveSmall(
  { kernel, roots }: Machine,
  pid: number,
  { vmPteBytes, vmSizeBytes }: ProcessStatus,
  rows: readonly InspectedMapping[],
  model: PagingModel,
): boolean {
  if (vmPteBytes === null || vmSizeBytes === null) return false;
  const count = countMappings(roots.proc, pid, vmSizeBytes);
  if (count === null) return false;
  const vmas = rows.flatMap((row) => row.vmas);
  const bytes = vmSizeBytes - vmas.reduce((sum, { size }) => sum + size, 0);
  if (bytes < 0) return false;
  const sum = (of: (row: InspectedMapping) => number | null | undefined): number =>
    rows.reduce((total, row) => total + (of(row) ?? 0), 0);
  const device = {
    least: sum(({ now, between }) => (now ?? between?.[0])?.pageTableBytes),
    most: sum(({ now, between }) => (now ?? between?.[1])?.pageTableBytes),
  };
  const either = faultHandler(kernel).dependsOnOrder === false;
  return provesSmall(vmPteBytes, { bytes, count: Math.max(count - vmas.length, 0) }, device, either, model);
}
