/** Takes what page tables hold for a mapping into its verdict. */

import type { LeafCount, LeafSpan } from "../../layout/leaves.ts";
import { compareLeaves, NO_DIFFERENCE, type Difference } from "../tables/compare.ts";
import type { ProcessReading, TableReading } from "../tables/readings.ts";
import type { Verdict } from "./judge.ts";
import type { MappingTables } from "./mapping-tables.ts";
import type { InspectedMapping } from "./region-mappings.ts";
import { tableReason, type AdvisedTableReason } from "./tables-reasons.ts";

/**
 * The same mapping with what was read of it: verdict and reasons follow what is there, where it differs.
 *
 * @param pageSize bytes of a base page
 */
export function withTables(
  mapping: InspectedMapping,
  reading: ProcessReading,
  pageSize: number,
): InspectedMapping {
  const readings = mapping.vmas.map(
    ({ start }) =>
      reading.mappings.find(({ address }) => address === start)?.reading ?? ({ state: "gone" } as const),
  );
  // In doubt, it is held against the best that there may be.
  const likely = mapping.now ?? mapping.between?.[0] ?? null;
  const tables = tablesOf(readings, likely?.spans ?? null);
  const reasons = [...mapping.reasons, ...reasonsFor(tables, mapping.verdict)];
  if (tables.touchedBytes === null || tables.touchedBytes === 0) return { ...mapping, tables, reasons };
  const verdict = verdictOf(mapping, tables, pageSize);
  // Nothing that was touched can tell.
  if (verdict === "unknown") return { ...mapping, tables, reasons };
  const evidence = { evidence: "tables", source: "page-tables" } as const;
  // What was in doubt has been seen to be at its best.
  const isSettled = mapping.verdict === "unknown" && tables.difference?.smallerBytes === 0;
  if (!isSettled) return { ...mapping, ...evidence, tables, reasons, verdict };
  const settled = reasons.filter(({ code }) => code === "misaligned" || code === "split");
  return { ...mapping, ...evidence, tables, verdict, reasons: settled, now: likely, between: null };
}

function tablesOf(
  readings: readonly TableReading[],
  spans: readonly (readonly LeafSpan[])[] | null,
): MappingTables {
  const state = readings.find((each) => each.state !== "read")?.state ?? "read";
  const read = readings.flatMap((each) => (each.state === "read" ? [each] : []));
  if (state !== "read") return { state, leaves: null, touchedBytes: null, difference: null, readings };
  const difference =
    spans === null
      ? null
      : read.map((each, index) => compareLeaves(each, spans[index] ?? [])).reduce(added, NO_DIFFERENCE);
  return {
    state,
    leaves: addedLeaves(read.map(({ leaves }) => leaves)),
    touchedBytes: read.reduce((sum, { touchedBytes }) => sum + touchedBytes, 0),
    difference,
    readings,
  };
}

function added(one: Difference, other: Difference): Difference {
  const sum = (a: number | null, b: number | null): number | null =>
    a === null || b === null ? null : a + b;
  return {
    smallerBytes: sum(one.smallerBytes, other.smallerBytes),
    largerBytes: sum(one.largerBytes, other.largerBytes),
  };
}

/** The sum of counts, large leaves first. */
export function addedLeaves(lists: readonly (readonly LeafCount[])[]): LeafCount[] {
  const counts = new Map<number, number>();
  for (const { size, count } of lists.flat()) counts.set(size, (counts.get(size) ?? 0) + count);
  return [...counts].map(([size, count]) => ({ size, count })).sort((a, b) => b.size - a.size);
}

function reasonsFor({ state, difference }: MappingTables, verdict: Verdict): AdvisedTableReason[] {
  if (state === "changed") return [tableReason("tables-changed")];
  // In doubt, the rule gave its best case only: what is smaller says nothing about another time.
  if (difference === null || verdict === "unknown") return [];
  return [
    ...(isSome(difference.smallerBytes) ? [tableReason("tables-smaller")] : []),
    ...(isSome(difference.largerBytes) ? [tableReason("tables-larger")] : []),
  ];
}

function isSome(bytes: number | null): boolean {
  return bytes !== null && bytes > 0;
}

/** What is there outweighs the rule; of what was not touched yet, the rule is all there is. */
function verdictOf(
  { verdict, now, between, best }: InspectedMapping,
  { leaves, difference }: MappingTables,
  pageSize: number,
): Verdict {
  const likely = now ?? between?.[0] ?? null;
  if (leaves === null || likely === null || best === null || difference === null) return verdict;
  if (verdict === "wrong") return verdict;
  const hasHuge = leaves.some(({ size }) => size > pageSize);
  if (isSome(difference.smallerBytes)) return hasHuge ? "partial" : "small";
  // What was in doubt has been seen: a huge leaf is there, and none is smaller than in the rule's best case.
  if (verdict === "unknown" && hasHuge && difference.smallerBytes === 0) {
    return likely.faults === best.faults ? "huge" : "partial";
  }
  return verdict;
}
