/** Judges what a guest gets of device memory: the leaves of the second stage, over each memory slot that lies on it. */

import { countLeaves, faultsOf, type LeafCount, type LeafSpan } from "../../layout/leaves.ts";
import { pageTableBytes } from "../../layout/page-tables.ts";
import { leafSizes, type PagingModel } from "../../layout/paging.ts";
import { secondStageSpans } from "../../rules/second-stage.ts";
import { compareLeaves, type Difference } from "../tables/compare.ts";
import type { ReadPiece, ReadSlot, TableReading } from "../tables/readings.ts";
import type { Vma } from "../proc/vma.ts";
import type { Verdict } from "./judge.ts";
import type { InspectedMapping } from "./region-mappings.ts";
import { tableReason, type AdvisedTableReason, type TableReason } from "./tables-reasons.ts";

/** What lies in one memory slot and in one mapping: a row about a guest. */
export interface InspectedGuestPiece {
  readonly slot: ReadSlot;
  readonly guestAddress: bigint;
  readonly hostAddress: bigint;
  readonly size: number;
  readonly mapping: InspectedMapping;
  /** Where it starts in its region; null where that is not known. */
  readonly offset: number | null;
  /** By the kernel's rules, once the guest has touched all of it; null where they hang on something unknown. */
  readonly leaves: readonly LeafCount[] | null;
  readonly pageTableBytes: number | null;
  /** The same, part by part, from the start of the piece. */
  readonly spans: readonly LeafSpan[] | null;
  /** What there could be. */
  readonly best: readonly LeafCount[] | null;
  readonly reading: TableReading;
  readonly difference: Difference | null;
  readonly verdict: Verdict;
  readonly reasons: readonly AdvisedTableReason[];
}

/** One row for each piece of the slots, in the order of guest addresses. */
export function judgeSlots(
  slots: readonly ReadSlot[],
  mappings: readonly InspectedMapping[],
  model: PagingModel,
): InspectedGuestPiece[] {
  return slots.flatMap((slot) =>
    slot.pieces.flatMap((piece) => {
      for (const mapping of mappings) {
        const index = mapping.vmas.findIndex(
          ({ start, end }) => piece.hostAddress >= start && piece.hostAddress < end,
        );
        const vma = mapping.vmas[index];
        if (vma === undefined) continue;
        const beside = slots.filter(({ pieces }) => pieces.some((each) => liesOn(each, vma))).length;
        return [judgePiece({ slot, piece, mapping, vma, index, slots: beside }, model)];
      }
      return [];
    }),
  );
}

function liesOn({ hostAddress }: ReadPiece, { start, end }: Vma): boolean {
  return hostAddress >= start && hostAddress < end;
}

interface PieceFacts {
  readonly slot: ReadSlot;
  readonly piece: ReadPiece;
  readonly mapping: InspectedMapping;
  readonly vma: Vma;
  /** Which of the mapping's VMAs it is. */
  readonly index: number;
  /** How many slots lie on it. */
  readonly slots: number;
}

function judgePiece(facts: PieceFacts, model: PagingModel): InspectedGuestPiece {
  const { slot, piece, mapping, vma, index } = facts;
  const { guestAddress, hostAddress, size, reading } = piece;
  const [first] = mapping.vmas;
  const offset =
    mapping.identity.offset === null || first === undefined
      ? null
      : mapping.identity.offset + Number(hostAddress - first.start);
  const row = { slot, guestAddress, hostAddress, size, mapping, offset, reading };
  const hostSpans = (mapping.now ?? mapping.between?.[0])?.spans[index];
  const congruence = mapping.identity.congruence;
  if (hostSpans === undefined || congruence === null || first === undefined) {
    const nothing = { leaves: null, pageTableBytes: null, spans: null, best: null, difference: null };
    return { ...row, ...nothing, verdict: "unknown", reasons: shadowReason(reading) };
  }
  const cap = Math.max(...hostSpans.map(({ leaf }) => leaf));
  const at = {
    guestAddress,
    hostAddress,
    size,
    physical: modulo(congruence + (hostAddress - first.start), model.pudSize),
  };
  const spans = secondStageSpans(at, model, slot.logsDirtyPages ? model.pageSize : cap);
  const steps = {
    now: countLeaves(spans),
    unlogged: countLeaves(secondStageSpans(at, model, cap)),
    // At a guest address that agrees with the host's.
    aligned: countLeaves(
      secondStageSpans({ ...at, guestAddress: modulo(hostAddress, model.pudSize) }, model, cap),
    ),
    // And with the whole mapping in one slot: then the host's leaves are the guest's.
    whole: leavesWithin(hostSpans, Number(hostAddress - vma.start), size),
    // And at an address of the host that fits the memory's own.
    best: leavesWithin(bestSpans(facts, congruence, model), Number(hostAddress - vma.start), size),
  };
  const difference = reading.state === "read" ? compareLeaves(reading, spans) : null;
  const verdict = verdictOf(steps.now, steps.best, mapping.verdict === "unknown", reading, difference, model);
  return {
    ...row,
    leaves: steps.now,
    pageTableBytes: pageTableBytes([{ address: guestAddress, spans }], model),
    spans,
    best: steps.best,
    difference,
    verdict,
    reasons: [...reasonsFor(steps, facts, at, model), ...tableReasons(reading, difference)],
  };
}

/** The leaves of the whole mapping at addresses that fit the memory's own, host's and guest's. */
function bestSpans({ mapping, vma }: PieceFacts, congruence: bigint, model: PagingModel): LeafSpan[] {
  const [first] = mapping.vmas;
  const physical = modulo(congruence + (vma.start - (first?.start ?? vma.start)), model.pudSize);
  const piece = { guestAddress: physical, hostAddress: physical, physical, size: vma.size };
  return secondStageSpans(piece, model);
}

function verdictOf(
  now: readonly LeafCount[],
  best: readonly LeafCount[],
  inDoubt: boolean,
  reading: TableReading,
  difference: Difference | null,
  { pageSize }: PagingModel,
): Verdict {
  const isHuge = (leaves: readonly LeafCount[]): boolean => leaves.some(({ size }) => size > pageSize);
  if (!isHuge(best)) return "huge";
  if (reading.state === "unknown") return "unknown";
  const smaller = difference?.smallerBytes ?? 0;
  if (reading.state === "read" && smaller > 0) return isHuge(reading.leaves) ? "partial" : "small";
  const seen = reading.state === "read" && isHuge(reading.leaves);
  if (inDoubt && isHuge(now) && !seen) return "unknown";
  if (faultsOf(now) <= faultsOf(best)) return "huge";
  return isHuge(now) ? "partial" : "small";
}

/** Each step that costs leaves is a reason, in the order from the guest's side to the host's. */
function reasonsFor(
  steps: Readonly<Record<"now" | "unlogged" | "aligned" | "whole" | "best", readonly LeafCount[]>>,
  { slots }: PieceFacts,
  { guestAddress, hostAddress }: { readonly guestAddress: bigint; readonly hostAddress: bigint },
  model: PagingModel,
): AdvisedTableReason[] {
  const count = (step: keyof typeof steps): number => faultsOf(steps[step]);
  const leaf = steps.aligned[0]?.size ?? leafSizes(model)[0] ?? model.pageSize;
  const past = Number(modulo(guestAddress - hostAddress, leaf));
  const codes: (TableReason | null)[] = [
    count("now") > count("unlogged") ? "guest-dirty-log" : null,
    count("unlogged") > count("aligned") ? "guest-misaligned" : null,
    count("aligned") > count("whole") ? "guest-split" : null,
    count("whole") > count("best") ? "guest-host-leaf" : null,
  ];
  return codes.flatMap((code) => (code === null ? [] : [tableReason(code, { leaf, past, slots })]));
}

function tableReasons(reading: TableReading, difference: Difference | null): AdvisedTableReason[] {
  if (reading.state === "changed") return [tableReason("tables-changed")];
  if (reading.state === "unknown") return shadowReason(reading);
  const { smallerBytes, largerBytes } = difference ?? { smallerBytes: 0, largerBytes: 0 };
  return [
    ...((smallerBytes ?? 0) > 0 ? [tableReason("tables-smaller")] : []),
    ...((largerBytes ?? 0) > 0 ? [tableReason("tables-larger")] : []),
  ];
}

function shadowReason({ state }: TableReading): AdvisedTableReason[] {
  return state === "unknown" ? [tableReason("guest-shadow")] : [];
}

/** The leaves of which a part lies in a stretch. */
function leavesWithin(spans: readonly LeafSpan[], from: number, size: number): LeafCount[] {
  const inside = spans.flatMap(({ offset, size: length, leaf }) => {
    const start = Math.max(offset, from - ((from - offset) % leaf));
    const end = Math.min(offset + length, from + size);
    return start >= end ? [] : [{ offset: start, size: Math.ceil((end - start) / leaf) * leaf, leaf }];
  });
  return countLeaves(inside);
}

/** What `value` is past a multiple of `unit`, never below 0. */
function modulo(value: bigint, unit: number): bigint {
  const past = value % BigInt(unit);
  return past < 0n ? past + BigInt(unit) : past;
}
