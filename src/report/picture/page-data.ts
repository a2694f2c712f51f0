/** A drawing as the page's script gets it: plain numbers, in JSON. `encode-drawing.ts` writes what is read here. */

import type { PhasedPiece } from "./boundaries.ts";
import { coverageOf } from "./coverage.ts";
import type { DrawnSpan, SpanKind } from "./drawing.ts";
import type { SceneScale, StripData } from "./scene.ts";

/** A strip, ready to be drawn and to be asked. */
export interface PageStrip extends StripData {
  readonly name: string;
  /** Virtual addresses of the pieces, hexadecimal; empty where they are not those of real mappings. */
  readonly addresses: readonly string[];
}

export interface PageDrawing {
  readonly size: number;
  readonly scale: SceneScale;
  readonly strips: readonly PageStrip[];
}

/** Spans and pieces as flat lists of three numbers each: a thousand areas are a few dozen KiB. */
export interface EncodedDrawing extends Omit<PageDrawing, "strips"> {
  readonly strips: readonly {
    readonly name: string;
    readonly addresses: readonly string[];
    readonly spans: readonly number[];
    readonly pieces: readonly number[];
  }[];
}

/** The kinds by the number that stands for them. */
export const KINDS = ["pud", "pmd", "pte", "gap"] as const satisfies readonly SpanKind[];

export function decodeDrawing({ size, scale, strips }: EncodedDrawing): PageDrawing {
  return {
    size,
    scale,
    strips: strips.map(({ name, addresses, spans: numbers, pieces }) => {
      const spans = triples(numbers, (offset, size, kind): DrawnSpan => ({
        offset,
        size,
        kind: KINDS[kind] ?? "gap",
      }));
      return {
        name,
        addresses,
        spans,
        coverage: coverageOf(spans),
        pieces: triples(pieces, (offset, size, phase): PhasedPiece => ({ offset, size, phase })),
      };
    }),
  };
}

function triples<Item>(numbers: readonly number[], make: (a: number, b: number, c: number) => Item): Item[] {
  const items: Item[] = [];
  for (let index = 0; index + 2 < numbers.length; index += 3) {
    items.push(make(numbers[index] ?? 0, numbers[index + 1] ?? 0, numbers[index + 2] ?? 0));
  }
  return items;
}
