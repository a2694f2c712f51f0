/** Turns a drawing into what scenes are made of, and into the plain numbers that the page's script gets. */

import { leafSizes } from "../../layout/paging.ts";
import { coverageOf } from "./coverage.ts";
import type { Drawing, Strip } from "./drawing.ts";
import { KINDS, type EncodedDrawing } from "./page-data.ts";
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
export function encodeStrip({ spans, pieces }: Strip, { model }: Drawing): StripData {
  return {
    spans,
    coverage: coverageOf(spans),
    pieces: pieces.map(({ offset, size, address }) => ({
      offset,
      size,
      phase: phaseOf(address, model.pudSize),
    })),
  };
}

function phaseOf(address: bigint, unit: number): number {
  return Number(address % BigInt(unit));
}

export function encodeDrawing(drawing: Drawing): EncodedDrawing {
  return {
    size: drawing.size,
    scale: sceneScale(drawing),
    strips: drawing.strips.map((strip) => {
      const { spans, pieces } = encodeStrip(strip, drawing);
      return {
        name: strip.name,
        addresses: strip.mapped ? strip.pieces.map(({ address }) => `0x${address.toString(16)}`) : [],
        spans: spans.flatMap(({ offset, size, kind }) => [offset, size, KINDS.indexOf(kind)]),
        pieces: pieces.flatMap(({ offset, size, phase }) => [offset, size, phase]),
      };
    }),
  };
}
