/** A drawing as the page's script gets it: numbers as text, in JSON. `encode-drawing.ts` writes what is read here. */

import { coverageFrom, KINDS, type Coverage } from "./coverage.ts";
import type { Pieces } from "./pieces.ts";
import { decodeNumbers } from "./number-text.ts";
import type { SceneScale, StripData } from "./scene.ts";

/** A strip, ready to be drawn and to be asked. */
export interface PageStrip extends StripData {
  readonly name: string;
  /** The virtual address that offset 0 would have, for each piece; empty where they are not those of real mappings. */
  readonly bases: readonly bigint[];
}

export interface PageDrawing {
  readonly size: number;
  readonly scale: SceneScale;
  readonly strips: readonly PageStrip[];
}

/** In what is written as text, offsets and sizes are multiples of `unit`. */
export interface EncodedDrawing extends Omit<PageDrawing, "strips"> {
  readonly unit: number;
  /** The pieces of strips: strategies have theirs in common. */
  readonly shapes: readonly string[];
  readonly strips: readonly {
    readonly name: string;
    readonly shape: number;
    /** By themselves, or as what they are past the piece's offset. */
    readonly phases: { readonly text: string; readonly isPastOffset: boolean };
    /** How many pieces have the same base, which is in decimal digits. */
    readonly addresses: readonly (readonly [count: number, base: string])[];
    readonly spans: string;
  }[];
}

/** A span is its length times this, and its kind; a length that is no whole number of leaves is in units, and so many more. */
export const CODES = 8;
export const IN_UNITS = 4;

export function decodeDrawing({ size, scale, unit, shapes, strips }: EncodedDrawing): PageDrawing {
  const modulus = scale.leafOf.pud;
  const decoded = shapes.map((text) => {
    const stretches = stretchesOf(text, unit);
    return { ...stretches, bounds: boundsOf(stretches, size) };
  });
  return {
    size,
    scale,
    strips: strips.map(({ name, shape, phases: { text, isPastOffset }, addresses, spans }) => {
      const { offsets = NONE, sizes = NONE, bounds = Float64Array.of(size) } = decoded[shape] ?? {};
      const phases = Float64Array.from(decodeNumbers(text));
      for (let index = 0; index < phases.length; index += 1) {
        const phase = (phases[index] ?? 0) * unit;
        phases[index] = isPastOffset ? (phase + (offsets[index] ?? 0)) % modulus : phase;
      }
      return {
        name,
        bases: addresses.flatMap(([count, base]) => new Array<bigint>(count).fill(BigInt(base))),
        coverage: coverageIn(spans, bounds, scale, unit),
        pieces: { offsets, sizes, phases },
      };
    }),
  };
}

const NONE = new Float64Array();

type Stretches = Pick<Pieces, "offsets" | "sizes">;

function stretchesOf(text: string, unit: number): Stretches {
  const numbers = decodeNumbers(text);
  const offsets = new Float64Array(numbers.length / 2);
  const sizes = new Float64Array(numbers.length / 2);
  let end = 0;
  for (let index = 0; index < offsets.length; index += 1) {
    const distance = numbers[2 * index] ?? 0;
    const offset = end + (distance % 2 === 0 ? distance / 2 : -(distance + 1) / 2) * unit;
    const size = (numbers[2 * index + 1] ?? 0) * unit;
    offsets[index] = offset;
    sizes[index] = size;
    end = offset + size;
  }
  return { offsets, sizes };
}

/** Where pieces begin and end, and the region ends, in order: as far as there spans go that are of no length of their own. */
export function boundsOf({ offsets, sizes }: Stretches, size: number): Float64Array {
  const bounds = new Float64Array(offsets.length * 2 + 1);
  for (let index = 0; index < offsets.length; index += 1) {
    const offset = offsets[index] ?? 0;
    bounds[2 * index] = offset;
    bounds[2 * index + 1] = offset + (sizes[index] ?? 0);
  }
  bounds[offsets.length * 2] = size;
  return bounds.sort();
}

function coverageIn(text: string, bounds: Float64Array, { leafOf }: SceneScale, unit: number): Coverage {
  const numbers = decodeNumbers(text);
  const ends = new Float64Array(numbers.length);
  const kinds = new Uint8Array(numbers.length);
  const units = KINDS.map((kind) => (kind === "gap" ? unit : leafOf[kind]));
  let end = 0;
  let next = 0;
  for (let index = 0; index < numbers.length; index += 1) {
    const number = numbers[index] ?? 0;
    const code = number % CODES;
    const length = (number - code) / CODES;
    while ((bounds[next] ?? Infinity) <= end) next += 1;
    if (length === 0) end = bounds[next] ?? end;
    else end += length * (code >= IN_UNITS ? unit : (units[code] ?? unit));
    ends[index] = end;
    kinds[index] = code % IN_UNITS;
  }
  return coverageFrom(ends, kinds);
}
