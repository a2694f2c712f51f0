/**
 * The look that SVG and HTML share: colours for light and dark, and how parts and lines are drawn. Leaves differ by
 * lightness and by texture as well as by hue, so that they are told apart without colour: the smaller the leaf, the
 * finer the grain.
 */

import { markup, trusted, type Markup } from "./markup.ts";
import { DARK, LIGHT, PAPER, properties } from "./palette.ts";

export const FONT = `system-ui, "Helvetica Neue", Arial, "DejaVu Sans", sans-serif`;

/** The style sheet of everything that both have. */
export const PICTURE_STYLE = `
:root { color-scheme: light dark; ${properties(LIGHT)} }
@media (prefers-color-scheme: dark) { :root { ${properties(DARK)} } }
@media print { :root { color-scheme: light; ${properties(PAPER)} } }
.pud, .pmd, .pte, .gap { shape-rendering: crispEdges; }
.pud { fill: var(--pud); }
.pmd { fill: url(#grain-pmd); }
.pte { fill: url(#grain-pte); }
.gap { fill: url(#grain-gap); }
.track { fill: none; stroke: var(--edge); }
.edges { stroke: var(--ink); stroke-width: 1.25; fill: none; }
.meeting, .virtual, .physical, .seams { stroke: var(--surface); fill: none; stroke-width: 1; shape-rendering: crispEdges; }
.virtual, .physical { stroke-width: 2; }
.leaders { stroke: var(--quiet); stroke-width: 0.75; fill: none; }
.axis-line { stroke: var(--quiet); fill: none; }
.part-label, .axis-label { font: 11px ${FONT}; font-variant-numeric: tabular-nums; fill: var(--ink); }
.axis-label { fill: var(--quiet); }
.start { text-anchor: start; } .middle { text-anchor: middle; } .end { text-anchor: end; }
.grain-base-pmd { fill: var(--pmd); } .grain-base-pte { fill: var(--pte); }
.grain-line { stroke: var(--surface); fill: none; } .grain-dot { fill: var(--surface); }
.grain-gap-line { stroke: var(--edge); fill: none; }
@media (forced-colors: active) {
  :root { --surface: Canvas; --raised: Canvas; --ink: CanvasText; --quiet: CanvasText; --rule: CanvasText; --edge: CanvasText; --alarm: CanvasText; --accent: LinkText; }
}
@media (forced-colors: active) { .pud, .grain-base-pmd, .grain-base-pte { forced-color-adjust: none; } }
`;

/** The textures, once in each document. */
export const GRAINS: Markup = markup`<defs>
<pattern id="grain-pmd" width="8" height="8" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect class="grain-base-pmd" width="8" height="8"/><path class="grain-line" d="M0 0V8" stroke-width="1.6"/></pattern>
<pattern id="grain-pte" width="4" height="4" patternUnits="userSpaceOnUse"><rect class="grain-base-pte" width="4" height="4"/><circle class="grain-dot" cx="1" cy="1" r=".6"/><circle class="grain-dot" cx="3" cy="3" r=".6"/></pattern>
<pattern id="grain-gap" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(-45)"><path class="grain-gap-line" d="M0 0V6" stroke-width="1"/></pattern>
</defs>`;

export function styleElement(style: string): Markup {
  return markup`<style>${trusted(style)}</style>`;
}
