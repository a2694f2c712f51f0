/** Leaves that are there as strips: what was read from page tables, the host's and the guests'. */

import type { InspectedGuestPiece } from "../../../inspect/judge/guest-slots.ts";
import type { InspectedMapping } from "../../../inspect/judge/region-mappings.ts";
import type { TableReading } from "../../../inspect/tables/readings.ts";
import { countLeaves, faultsOf, type LeafSpan } from "../../../layout/leaves.ts";
import { pageTableBytes } from "../../../layout/page-tables.ts";
import type { PagingModel } from "../../../layout/paging.ts";
import type { Piece, StripInput } from "./drawing.ts";

/** What was read of the mappings: one strip, or none where it was not, or is too scattered to draw. */
export function readStrips(
  { tables }: InspectedMapping,
  pieces: readonly Piece[],
  model: PagingModel,
): StripInput[] {
  if (tables === null) return [];
  return strips("there", "read from the page tables", pieces, tables.readings, model);
}

/** Of a guest: what was read of the second stage, and what the rules give. */
export function guestStrips(
  mapping: InspectedMapping,
  all: readonly InspectedGuestPiece[],
  model: PagingModel,
): StripInput[] {
  const own = all
    .filter((piece) => piece.mapping === mapping)
    .toSorted((a, b) => (a.hostAddress < b.hostAddress ? -1 : 1));
  if (own.length === 0) return [];
  const [first] = mapping.vmas;
  const start = mapping.identity.offset ?? 0;
  const pieces = own.map(({ hostAddress, guestAddress, size }) => ({
    offset: start + Number(hostAddress - (first?.start ?? hostAddress)),
    size,
    address: guestAddress,
  }));
  const readings = own.map(({ reading }) => reading);
  const ruled = own.flatMap(({ spans }, index) => moved(spans ?? [], pieces[index]?.offset ?? 0));
  return [
    ...strips("guest, there", "read from the second stage", pieces, readings, model),
    stripOf("guest", "by guest-physical addresses", pieces, ruled, model),
  ];
}

function strips(
  name: string,
  about: string,
  pieces: readonly Piece[],
  readings: readonly TableReading[],
  model: PagingModel,
): StripInput[] {
  const spans: LeafSpan[] = [];
  for (const [index, { offset, size }] of pieces.entries()) {
    const reading = readings[index];
    if (reading?.state !== "read" || reading.runs === null) return [];
    for (const run of reading.runs) {
      // A leaf that reaches out of the stretch is drawn as far as that goes.
      const from = Math.max(run.offset, 0);
      const to = Math.min(run.offset + run.leaf * run.count, size);
      spans.push({ offset: offset + from, size: to - from, leaf: run.leaf });
    }
  }
  return [stripOf(name, about, pieces, spans, model)];
}

function stripOf(
  name: string,
  about: string,
  pieces: readonly Piece[],
  spans: readonly LeafSpan[],
  model: PagingModel,
): StripInput {
  const leaves = countLeaves(
    spans.map((span) => ({ ...span, size: Math.ceil(span.size / span.leaf) * span.leaf })),
  );
  const [first] = pieces;
  const laid = { address: (first?.address ?? 0n) - BigInt(first?.offset ?? 0), spans };
  return {
    name,
    about,
    leaves,
    faults: faultsOf(leaves),
    pageTableBytes: laid.address < 0n ? 0 : pageTableBytes([laid], model),
    spans,
    pieces: () => pieces,
    mapped: true,
  };
}

function moved(spans: readonly LeafSpan[], by: number): LeafSpan[] {
  return spans.map(({ offset, size, leaf }) => ({ offset: offset + by, size, leaf }));
}
