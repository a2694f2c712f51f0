/** Turns a drawing into what scenes are made of, and into the plain numbers that the page's script gets. */

import { leafSizes } from "../../../layout/paging.ts";
import { coverageOf, KINDS } from "./coverage.ts";
import { piecesOf } from "./pieces.ts";
import type { Drawing, DrawnSpan, Strip } from "../drawing/drawing.ts";
import { isAligned, pastMultiple } from "../../../layout/sizes.ts";
import type { PhasedPiece } from "./boundaries.ts";
import { encodeNumbers } from "./number-text.ts";
import { boundsOf, CODES, IN_UNITS, type EncodedDrawing } from "./page-data.ts";
import type { SceneScale, StripData } from "./scene.ts";

/** What scenes need to know of a drawing. */
export function sceneScale({ model, physical, gapName }: Drawing): SceneScale {
  return {
    leafOf: { pud: model.pudSize, pmd: model.pmdSize, pte: model.pageSize },
    leafSizes: leafSizes(model),
    physicalPhase: physical === null ? null : phaseOf(physical, model.pudSize),
    gapName,
  };
}

/** What a scene needs of a strip: its pieces with their addresses as remainders. */
export function encodeStrip(strip: Strip, drawing: Drawing): StripData {
  return { coverage: coverageOf(strip.spans), pieces: piecesOf(phased(strip, drawing)) };
}

function phased({ pieces }: Strip, { model }: Drawing): PhasedPiece[] {
  return pieces().map(({ offset, size, address }) => ({
    offset,
    size,
    phase: phaseOf(address, model.pudSize),
  }));
}

function phaseOf(address: bigint, unit: number): number {
  return Number(address % BigInt(unit));
}

/** What repeats takes no room: 100,000 equal areas are a few hundred bytes, and as many that are not alike some 2 MiB. */
export function encodeDrawing(drawing: Drawing): EncodedDrawing {
  const { size, model, strips } = drawing;
  const unit = isWhole(drawing) ? model.pageSize : 1;
  const shapes: string[] = [];
  return {
    size,
    scale: sceneScale(drawing),
    unit,
    strips: strips.map((strip) => {
      const pieces = phased(strip, drawing);
      const shape = shapeText(pieces, unit);
      if (!shapes.includes(shape)) shapes.push(shape);
      return {
        name: strip.name,
        shape: shapes.indexOf(shape),
        phases: phasesText(pieces, unit, model.pudSize),
        addresses: strip.mapped ? addressRuns(strip) : [],
        spans: spansText(strip.spans, boundsOf(piecesOf(pieces), size), sceneScale(drawing), unit),
      };
    }),
    shapes,
  };
}

/** Whether pages are a unit in which all of it can be written. */
function isWhole({ size, strips, model: { pageSize } }: Drawing): boolean {
  return (
    isAligned(size, pageSize) &&
    strips.every(
      ({ spans, pieces }) =>
        spans.every((span) => isAligned(span.offset, pageSize)) &&
        pieces().every(
          (piece) =>
            isAligned(piece.offset, pageSize) &&
            isAligned(piece.size, pageSize) &&
            isAligned(piece.address, BigInt(pageSize)),
        ),
    )
  );
}

/** Of each piece the distance from the end of the one before, with its sign, and its size. */
function shapeText(pieces: readonly PhasedPiece[], unit: number): string {
  let end = 0;
  const numbers = pieces.flatMap(({ offset, size }) => {
    const distance = (offset - end) / unit;
    end = offset + size;
    return [signed(distance), size / unit];
  });
  return encodeNumbers(numbers);
}

/** Negative numbers take the odd places between the others. */
function signed(n: number): number {
  return n < 0 ? -2 * n - 1 : 2 * n;
}

/** By itself, or as what it is past the offset: whichever repeats more. */
function phasesText(
  pieces: readonly PhasedPiece[],
  unit: number,
  modulus: number,
): EncodedDrawing["strips"][number]["phases"] {
  const own = encodeNumbers(pieces.map(({ phase }) => phase / unit));
  const past = encodeNumbers(pieces.map(({ phase, offset }) => pastMultiple(phase - offset, modulus) / unit));
  return past.length < own.length ? { text: past, isPastOffset: true } : { text: own, isPastOffset: false };
}

function addressRuns({ pieces }: Strip): (readonly [number, string])[] {
  const runs: [number, string][] = [];
  for (const { address, offset } of pieces()) {
    const base = String(address - BigInt(offset));
    const last = runs.at(-1);
    if (last?.[1] === base) last[0] += 1;
    else runs.push([1, base]);
  }
  return runs;
}

/** Of each span its kind, and how long it is: 0 as far as the next edge of a piece, else in leaves, else in units. */
function spansText(
  spans: readonly DrawnSpan[],
  bounds: Float64Array,
  { leafOf }: SceneScale,
  unit: number,
): string {
  let next = 0;
  const numbers = spans.map(({ offset, size, kind }) => {
    const end = offset + size;
    while ((bounds[next] ?? end) <= offset) next += 1;
    const code = KINDS.indexOf(kind);
    if (bounds[next] === end) return code;
    if (kind === "gap") return (size / unit) * CODES + code;
    if (isAligned(size, leafOf[kind])) return (size / leafOf[kind]) * CODES + code;
    return (size / unit) * CODES + IN_UNITS + code;
  });
  return encodeNumbers(numbers);
}
