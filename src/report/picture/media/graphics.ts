/** The scenes of strips and axes as SVG elements. The page's script finds them again by their classes. */

import { encodeStrip, sceneScale } from "../scene/encode-drawing.ts";
import type { Drawing, SpanKind, Strip } from "../drawing/drawing.ts";
import { markup, type Markup } from "./markup.ts";
import { AXIS_HEIGHT, drawAxis, drawStrip, STRIP, type LineKind } from "../scene/scene.ts";
import { wholeView } from "../scene/view.ts";

/** In the order in which they are painted. */
const PATHS = [
  "gap",
  "pte",
  "pmd",
  "pud",
  "seams",
  "meeting",
  "virtual",
  "physical",
  "edges",
  "leaders",
] as const satisfies readonly (SpanKind | LineKind)[];

/** The whole of a strip on `width` pixels; its height is `STRIP.height`. */
export function stripGraphic(strip: Strip, drawing: Drawing, width: number): Markup {
  const limits = { size: drawing.size, smallest: drawing.model.pageSize };
  const { paths, labels } = drawStrip(
    encodeStrip(strip, drawing),
    sceneScale(drawing),
    wholeView(limits),
    width,
  );
  return markup`${PATHS.map(
    (name) => markup`<path class="${name}" d="${paths[name]}"/>
`,
  )}<g class="part-labels">${labels.map(({ x, text }) => partLabel(x, text))}</g>`;
}

function partLabel(x: number, text: string): Markup {
  return markup`<text class="part-label" x="${x.toFixed(1)}" y="${STRIP.label}">${text}</text>`;
}

/** The whole axis on `width` pixels; its height is `AXIS_HEIGHT`. */
export function axisGraphic({ size }: Drawing, width: number): Markup {
  const { path, labels } = drawAxis({ from: 0, to: size }, width);
  const texts = labels.map(
    ({ x, text, anchor }) =>
      markup`<text class="axis-label ${anchor}" x="${x}" y="${AXIS_HEIGHT - 4}">${text}</text>`,
  );
  return markup`<path class="axis-line" d="${path}"/><g class="axis-labels">${texts}</g>`;
}

/** A square that looks like the parts of a kind. */
export function swatch(kind: SpanKind): Markup {
  return markup`<svg class="swatch" width="14" height="14" aria-hidden="true"><rect class="${kind}" width="14" height="14"/><rect class="track" x=".5" y=".5" width="13" height="13"/></svg>`;
}
