/**
 * What is drawn of a strip or of the axis for one view, as SVG path data and texts. The SVG renderer writes it down; the
 * page's script puts it into the nodes that are there, frame after frame, so their number does not grow with the areas.
 */

import { formatSize } from "../../../layout/sizes.ts";
import { boundariesIn, type PhasedPiece } from "./boundaries.ts";
import type { DrawnSpan, GapName, SpanKind } from "../drawing/drawing.ts";
import { countOf, formatCount, formatLeaves, roundedSize } from "../../text/numbers.ts";
import {
  coveredIn,
  densityOf,
  KINDS,
  spansBetween,
  spansInView,
  type Coverage,
  type Density,
} from "./coverage.ts";
import { piecesInView, type Pieces } from "./pieces.ts";
import { isCrowd, placeLabels, placeParts, type PlacedLabel, type PlacedPart } from "./placing.ts";
import type { View } from "./view.ts";

/** Heights in pixels: the bar, with room above and below it for the edges of areas, and its texts. */
export const STRIP = { top: 6, bar: 36, height: 72, label: 64 } as const;
export const AXIS_HEIGHT = 24;

/** A strip as a scene needs it. */
export interface StripData {
  /** Its spans, from offset 0 on, without holes. */
  readonly coverage: Coverage;
  readonly pieces: Pieces;
}

/** What all strips of a drawing share. */
export interface SceneScale {
  /** What one leaf of a kind maps, in bytes. */
  readonly leafOf: Readonly<Record<Exclude<SpanKind, "gap">, number>>;
  /** The leaf sizes that the model has, large to small. */
  readonly leafSizes: readonly number[];
  /** The physical address of offset 0 past a multiple of the largest leaf; null where unknown. */
  readonly physicalPhase: number | null;
  readonly gapName: GapName;
}

/** The lines of a strip besides its parts. */
export type LineKind = "seams" | "edges" | "meeting" | "virtual" | "physical" | "leaders";

export interface StripScene {
  readonly paths: Readonly<Record<SpanKind | LineKind, string>>;
  readonly labels: readonly { readonly x: number; readonly text: string }[];
  /** The parts as they are placed, for pointing at; null where they are too many. */
  readonly parts: readonly PlacedPart[] | null;
}

export interface AxisScene {
  readonly path: string;
  readonly labels: readonly {
    readonly x: number;
    readonly text: string;
    readonly anchor: "start" | "middle" | "end";
  }[];
}

/** The width of a column of a crowd, in pixels. */
const COLUMN = 2;
const BOTTOM = STRIP.top + STRIP.bar;

export function drawStrip(
  { coverage, pieces: allPieces }: StripData,
  scale: SceneScale,
  view: View,
  width: number,
): StripScene {
  const [first, end] = spansInView(coverage, view);
  const parts = isCrowd(end - first, width)
    ? null
    : placeParts(spansBetween(coverage, first, end), view, width);
  // In a crowd there is no telling whose edges and boundaries they are.
  const pieces = parts === null ? [] : piecesInView(allPieces, view);
  const areas = parts === null ? partPathsOfCrowd(coverage, view, width) : partPaths(parts);
  const labels = parts === null ? null : placeLabels(parts, (span) => partText(span, scale, view), width);
  const { meeting, virtual, physical } = boundariesIn(
    pieces,
    scale.physicalPhase,
    scale.leafSizes,
    view,
    width,
  );
  const stub = STRIP.bar / 3;
  return {
    paths: {
      ...areas,
      seams: verticals(seamsOf(parts ?? []), STRIP.top, STRIP.bar),
      edges: verticals(edgesOf(pieces, parts, view), STRIP.top - 5, STRIP.bar + 10),
      meeting: verticals(meeting, STRIP.top, STRIP.bar),
      virtual: verticals(virtual, STRIP.top, stub),
      physical: verticals(physical, BOTTOM - stub, stub),
      leaders: (labels ?? []).map(leader).join(""),
    },
    labels: labels ?? [{ x: 0, text: countText(coverage, end - first, scale, view, parts === null) }],
    parts,
  };
}

/**
 * What a part is, in a few words: `188 × 1 GiB`, `68 GiB gap`, `68 GiB not mapped`; where a view shows a piece of it, how much
 * of it that is: `64 of 188 × 1 GiB`.
 */
export function partText(
  span: DrawnSpan,
  { leafOf, gapName }: Pick<SceneScale, "leafOf" | "gapName">,
  view?: View,
): string {
  const { offset, size, kind } = span;
  const from = Math.max(offset, Math.floor(view?.from ?? offset));
  const to = Math.min(offset + size, Math.ceil(view?.to ?? offset + size));
  if (kind === "gap") {
    const [seen, whole] = [roundedSize(to - from), roundedSize(size)];
    return `${seen === whole ? whole : `${seen} of ${whole}`} ${gapName}`;
  }
  const leaf = leafOf[kind];
  const seen = Math.ceil((to - offset) / leaf) - Math.floor((from - offset) / leaf);
  const whole = Math.ceil(size / leaf);
  return `${seen < whole ? `${formatCount(seen)} of ` : ""}${formatCount(whole)} × ${formatSize(leaf)}`;
}

/** `12,000 × 4 KiB + 500 × 2 MiB in view, in 1,200 parts` */
function countText(
  coverage: Coverage,
  parts: number,
  { leafOf }: SceneScale,
  view: View,
  isCrowd: boolean,
): string {
  const covered = coveredIn(coverage, view);
  const leaves = (["pud", "pmd", "pte"] as const).flatMap((kind) => {
    const count = Math.ceil(covered[kind] / leafOf[kind]);
    return count === 0 ? [] : [{ size: leafOf[kind], count }];
  });
  const mapped = leaves.length === 0 ? "no leaves" : formatLeaves(leaves);
  return `${mapped} in view, in ${countOf(parts, "part")}${isCrowd ? "; heights are shares" : ""}`;
}

/** Where two mapped parts meet: their colours need not tell them apart. */
function seamsOf(parts: readonly PlacedPart[]): number[] {
  return parts.flatMap(({ span, x }, index) => {
    const before = parts[index - 1];
    return before === undefined || before.span.kind === "gap" || span.kind === "gap" ? [] : [x];
  });
}

function partPaths(parts: readonly PlacedPart[]): Record<SpanKind, string> {
  const paths = { pud: "", pmd: "", pte: "", gap: "" };
  for (const { span, x, width } of parts) {
    paths[span.kind] += rectangle(x, STRIP.top, width, STRIP.bar);
  }
  return paths;
}

/** Columns in which each kind takes its share of the height, large leaves lowest; equal neighbours become one. */
function partPathsOfCrowd(coverage: Coverage, view: View, width: number): Record<SpanKind, string> {
  const columns = Math.ceil(width / COLUMN);
  const density = densityOf(coverage, view, columns);
  const paths = { pud: "", pmd: "", pte: "", gap: "" };
  for (const kind of KINDS) {
    let start = 0;
    let [top, bottom] = heightsAt(density, kind, 0);
    for (let column = 1; column <= columns; column += 1) {
      const [nextTop, nextBottom] = heightsAt(density, kind, column);
      if (column < columns && nextTop === top && nextBottom === bottom) continue;
      if (bottom > top)
        paths[kind] += rectangle(start * COLUMN, top, (column - start) * COLUMN, bottom - top);
      [start, top, bottom] = [column, nextTop, nextBottom];
    }
  }
  return paths;
}

/** Where a kind's share of a column begins and ends, in half pixels. */
function heightsAt(density: Density, kind: SpanKind, column: number): [top: number, bottom: number] {
  let below = 0;
  for (const each of KINDS) {
    const share = density[each][column] ?? 0;
    if (each === kind) return [heightOf(below + share), heightOf(below)];
    below += share;
  }
  return [BOTTOM, BOTTOM];
}

function heightOf(share: number): number {
  return BOTTOM - Math.round(Math.min(1, share) * STRIP.bar * 2) / 2;
}

/** The edges of the pieces, each once, where the parts were placed; none where they are too many to tell apart. */
function edgesOf(pieces: readonly PhasedPiece[], parts: readonly PlacedPart[] | null, view: View): number[] {
  if (parts === null) return [];
  const places = new Map(parts.map(({ span, x }) => [span.offset, x]));
  const last = parts.at(-1);
  if (last !== undefined) places.set(last.span.offset + last.span.size, last.x + last.width);
  const offsets = new Set(pieces.flatMap(({ offset, size }) => [offset, offset + size]));
  return [...offsets].flatMap((offset) =>
    offset < view.from || offset > view.to ? [] : (places.get(offset) ?? []),
  );
}

function leader({ x, from, text }: PlacedLabel): string {
  const to = Math.min(Math.max(from, x + 4), x + Math.max(4, text.length * 6 - 4));
  return `M${short(from)} ${BOTTOM + 2}V${BOTTOM + 5}L${short(to)} ${BOTTOM + 11}`;
}

function rectangle(x: number, y: number, width: number, height: number): string {
  return `M${short(x)} ${y}h${short(width)}v${height}h${short(-width)}z`;
}

function verticals(places: readonly number[], top: number, length: number): string {
  return places.map((x) => `M${short(x)} ${short(top)}v${short(length)}`).join("");
}

/** Two decimals are more than a screen shows. */
function short(n: number): number {
  return Math.round(n * 100) / 100;
}

/** The least room between long ticks, in pixels. */
const TICK_ROOM = 124;
/** How wide a character of a tick's text is, in pixels, about. */
const TICK_CHARACTER = 6.9;

/** Ticks at multiples of a power of two, long ones with the offset, three short ones between them. */
export function drawAxis(view: View, width: number): AxisScene {
  const scale = width / (view.to - view.from);
  const step = Math.max(1, 2 ** Math.ceil(Math.log2(TICK_ROOM / scale)));
  const small = step >= 4 ? step / 4 : step;
  let path = `M0 .5H${short(width)}`;
  const labels: AxisScene["labels"][number][] = [];
  let free = 0;
  // One way of writing for all: where one needs all its digits, the others get them too.
  const isExact = longTicks(view, step).some((offset) => formatSize(offset).startsWith("0x"));
  for (let offset = Math.ceil(view.from / small) * small; offset <= view.to; offset += small) {
    const x = short((offset - view.from) * scale);
    const isLong = offset % step === 0;
    path += `M${x} 0v${isLong ? 7 : 4}`;
    if (!isLong) continue;
    const text = offset === 0 ? "0" : isExact ? `0x${offset.toString(16)}` : formatSize(offset);
    const length = text.length * TICK_CHARACTER;
    const anchor = x < length / 2 ? "start" : x > width - length / 2 ? "end" : "middle";
    const start = anchor === "start" ? x : anchor === "end" ? x - length : x - length / 2;
    if (start < free) continue;
    labels.push({ x, text, anchor });
    free = start + length + TICK_CHARACTER;
  }
  return { path, labels };
}

function longTicks({ from, to }: View, step: number): number[] {
  const ticks: number[] = [];
  for (let offset = Math.ceil(from / step) * step; offset <= to; offset += step) ticks.push(offset);
  return ticks;
}
