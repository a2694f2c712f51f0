/** Exact values in words: what is at an offset, and which parts are in view. */

import { formatSize } from "../../../layout/sizes.ts";
import type { DrawnSpan } from "../drawing/drawing.ts";
import { formatCount, roundedSize } from "../../text/numbers.ts";
import type { PageDrawing, PageStrip } from "./page-data.ts";
import { spansBetween, spansInView } from "./coverage.ts";
import { pieceBehind, piecesInView } from "./pieces.ts";
import { partText, type SceneScale } from "./scene.ts";
import type { View } from "./view.ts";

/** As many rows as one takes in at a glance; the rest is a matter of zooming in. */
export const PARTS_SHOWN = 16;

export function hex(offset: number): string {
  return `0x${offset.toString(16)}`;
}

/** `0x2f00000000 (188 GiB)` */
export function offsetText(offset: number): string {
  return `${hex(offset)} (${roundedSize(offset)})`;
}

export function viewText({ from, to }: View, size: number): string {
  const start = Math.floor(from);
  const end = Math.min(size, Math.ceil(to));
  return `${hex(start)} – ${hex(end)}: ${roundedSize(end - start)} of ${roundedSize(size)}`;
}

/** The columns of `pointRow`. */
export const POINT_COLUMNS = ["strip", "leaf here", "it maps", "congruent up to", "virtual address"] as const;

/**
 * What a strip has at an offset, by column. The last one is empty where nothing is mapped yet: a plan promises an
 * alignment, and no address.
 */
export function pointRow(strip: PageStrip, { scale }: PageDrawing, offset: number): string[] {
  const [first] = spansInView(strip.coverage, { from: offset, to: offset + 1 });
  const [span] = spansBetween(strip.coverage, first, first + 1);
  if (span === undefined || span.kind === "gap") {
    return [strip.name, scale.gapName, span === undefined ? "" : rangeText(span.offset, span.size), "", ""];
  }
  const leaf = scale.leafOf[span.kind];
  const start = span.offset + Math.floor((offset - span.offset) / leaf) * leaf;
  return [
    strip.name,
    `${formatSize(leaf)} leaf`,
    rangeText(start, leaf),
    congruence(strip, scale.physicalPhase, scale.leafSizes[0] ?? leaf, offset),
    addressAt(strip, offset),
  ];
}

function rangeText(offset: number, size: number): string {
  return `${hex(offset)} – ${hex(offset + size)}`;
}

function addressAt({ pieces, bases }: PageStrip, offset: number): string {
  const place = pieceBehind(pieces, offset);
  const base = (pieces.offsets[place] ?? Infinity) <= offset ? bases[place] : undefined;
  return base === undefined ? "" : `0x${(base + BigInt(offset)).toString(16)}`;
}

/** Up to which power of two the virtual and the physical address leave the same remainder. */
function congruence(
  { pieces }: PageStrip,
  physicalPhase: number | null,
  largest: number,
  offset: number,
): string {
  const [piece] = piecesInView(pieces, { from: offset, to: offset + 1 });
  if (piece === undefined || physicalPhase === null) return "";
  const difference = Math.abs(physicalPhase - (piece.phase - piece.offset));
  let unit = largest;
  while (unit > 1 && difference % unit !== 0) unit /= 2;
  return formatSize(unit);
}

/** The parts of a strip that a view shows: offset, end, size, and of their leaves those in the view. */
export function partRows(spans: readonly DrawnSpan[], scale: SceneScale, view?: View): string[][] {
  return spans
    .slice(0, PARTS_SHOWN)
    .map((span) => [
      hex(span.offset),
      hex(span.offset + span.size),
      roundedSize(span.size),
      span.kind === "gap" ? scale.gapName : partText(span, scale, view),
    ]);
}

export function partsCaption(name: string, count: number): string {
  const parts = `${formatCount(count)} ${count === 1 ? "part" : "parts"} of ${name} in view`;
  return count > PARTS_SHOWN ? `${parts}; the first ${PARTS_SHOWN}` : parts;
}

/** The columns of `partRows`. */
export const PART_COLUMNS = ["offset", "end", "size", "leaves"] as const;
