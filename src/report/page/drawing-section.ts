/** The part of a page that shows one drawing: its numbers, its strips, its tables. It also runs in a browser. */

import { missIn } from "../../inspect/judge/own-miss.ts";
import type { Drawing, Strip } from "../picture/drawing/drawing.ts";
import { sceneScale } from "../picture/scene/encode-drawing.ts";
import { figuresOf, stripInWords } from "../picture/drawing/figures.ts";
import { axisGraphic, stripGraphic, swatch } from "../picture/media/graphics.ts";
import { markup, type Markup } from "../picture/media/markup.ts";
import { PART_COLUMNS, partRows, partsCaption, POINT_COLUMNS } from "../picture/scene/readout.ts";
import { AXIS_HEIGHT, STRIP } from "../picture/scene/scene.ts";
import { badge } from "./badge.ts";

/** How wide strips are drawn before the script knows better. */
const WIDTH = 1100;
/** Names of strips longer than this need a wider margin. */
const LONG_NAME = 8;
/** So many of the worst are open when a page of many opens. */
const OPEN = 3;

export function noteList(notes: readonly string[]): Markup {
  return notes.length === 0
    ? markup``
    : markup`<ul class="notes">${notes.map((note) => markup`<li>${note}</li>`)}</ul>
`;
}

/**
 * A drawing that is judged folds, so that many are a list.
 *
 * @param belowStrips what stands between the strips and the tables
 */
export function drawingSection(
  drawing: Drawing,
  index: number,
  pageTitle: string,
  belowStrips: Markup | null = null,
): Markup {
  const { title, notes, judged, strips, size } = drawing;
  const id = `drawing-${index + 1}`;
  const figures = strips.map((strip, place) => figuresSection(strip, drawing, `${id}-figures-${place + 1}`));
  const content = markup`<div class="figures${isPaired(strips) ? " paired" : ""}">${figures}</div>
${size === 0 ? "" : viewer(drawing, id, belowStrips)}
`;
  if (judged === undefined) {
    // The page's own heading and notes speak for a drawing of the same title.
    const heading =
      title === pageTitle
        ? markup`<h2 id="${id}-title" class="unseen">${title}</h2>`
        : markup`<h2 id="${id}-title">${title}</h2>${noteList(notes)}`;
    return markup`<section class="drawing" id="${id}" aria-labelledby="${id}-title">
${heading}
${content}</section>
`;
  }
  return markup`<section class="drawing" id="${id}" aria-labelledby="${id}-title">
<details${index < OPEN ? " open" : ""}>
<summary><h2 id="${id}-title">${title}</h2>${badge(judged.verdict)}</summary>
${noteList([...notes, ...judged.reasons.map(reasonInShort)])}${content}</details>
</section>
`;
}

/** Each strategy, and below it what a guest gets of it. */
function isPaired(strips: readonly Strip[]): boolean {
  return (
    strips.length > 2 &&
    strips.every(({ name }, index) => index % 2 === 0 || name === `${strips[index - 1]?.name}, guest`)
  );
}

/** What stands in the way; what to do about it stands once on the page, for all. */
function reasonInShort({ code, advice }: { readonly code: string; readonly advice: string }): string {
  const miss = missIn(advice);
  return miss === null ? code : `${code}: the mapping starts ${miss}`;
}

function figuresSection(strip: Strip, drawing: Drawing, id: string): Markup {
  const { figures, leaves } = figuresOf(strip, drawing);
  const numbers = figures.map(
    ({ name, value, compared }) => markup`<dt>${name}</dt>
<dd><span class="number">${value}</span><span class="compared">${compared}</span></dd>
`,
  );
  const counts = leaves.map(({ kind, text }) => markup`<li class="leaf">${swatch(kind)}${text}</li>`);
  return markup`<section id="${id}" class="figure">
<h3>${strip.name}</h3>
<p class="about">${strip.about}</p>
<dl>
${numbers}<dt>leaves</dt>
<dd><ul class="leaves">${counts.length === 0 ? markup`<li>none: nothing is mapped</li>` : counts}</ul></dd>
</dl>
</section>
`;
}

function viewer(drawing: Drawing, id: string, below: Markup | null): Markup {
  const { strips, title } = drawing;
  const rows = strips.map(
    (strip, index) => markup`<div class="strip" id="${id}-strip-${index + 1}">
<button type="button" aria-pressed="${index === strips.length - 1 ? "true" : "false"}" title="list the parts of ${strip.name}">${strip.name}</button>
<svg class="bar" viewBox="0 0 ${WIDTH} ${STRIP.height}" role="img" aria-label="${stripInWords(strip)}">
${stripGraphic(strip, drawing, WIDTH)}</svg>
</div>
`,
  );
  return markup`<div class="toolbar" role="toolbar" aria-label="View of ${title}" aria-controls="${id}-viewer">
<button type="button" class="square" data-action="in" aria-label="Zoom in" title="Zoom in (+)">+</button>
<button type="button" class="square" data-action="out" aria-label="Zoom out" title="Zoom out (−)">−</button>
<button type="button" data-action="whole" title="The whole region (0)">whole region</button>
<button type="button" data-action="previous" title="Previous part (p)">‹ previous part</button>
<button type="button" data-action="next" title="Next part (n)">next part ›</button>
<span class="view-text"></span>
</div>
<div class="viewer${strips.some(({ name }) => name.length > LONG_NAME) ? " wide" : ""}" id="${id}-viewer" tabindex="0" role="application" aria-label="Strips of ${title}" aria-describedby="help">
<div class="row"><svg class="overview" viewBox="0 0 1000 8" preserveAspectRatio="none" aria-hidden="true"><rect y="3" width="1000" height="2"/><rect class="thumb" width="1000" height="8" rx="1"/></svg></div>
${rows}<div class="row"><svg class="axis" id="${id}-axis" viewBox="0 0 ${WIDTH} ${AXIS_HEIGHT}" role="img" aria-label="Axis of offsets in the region">${axisGraphic(drawing, WIDTH)}</svg></div>
<div class="cursor" hidden></div>
<div class="selection" hidden></div>
</div>
${below ?? ""}<p class="status unseen" role="status"></p>
<div class="tables">
${pointTable(drawing, id)}
${partsTable(drawing, id)}
</div>`;
}

/** What the looks of parts and lines mean, and how to get about: once on the page. */
export function readingHelp(drawings: readonly Drawing[]): Markup {
  const labels = new Map(drawings.flatMap(({ legend }) => legend.map(({ kind, label }) => [label, kind])));
  const order = ["pud", "pmd", "pte", "gap"];
  const kinds = [...labels]
    .toSorted(([, one], [, other]) => order.indexOf(one) - order.indexOf(other))
    .map(([label, kind]) => markup`<li>${swatch(kind)}${label}</li>`);
  return markup`<section class="reading" aria-label="How to read the strips">
<ul class="legend">${kinds}<li><svg class="edge" aria-hidden="true"><path class="edges" d="M7 0V18"/></svg>edge of an area</li>
<li><svg class="lines" aria-hidden="true"><path class="meeting" d="M11 0V16"/></svg>leaf boundary: virtual and physical addresses meet</li>
<li><svg class="lines" aria-hidden="true"><path class="virtual" d="M7 0V6"/><path class="physical" d="M15 10V16"/></svg>they do not: virtual above, physical below</li></ul>
<p class="help" id="help"><kbd>Ctrl</kbd> or <kbd>⌘</kbd> with the wheel zooms, and the wheel alone once a strip has been clicked, until <kbd>Esc</kbd>; <kbd>+</kbd> and <kbd>−</kbd> do too, down to a single page. Drag or <kbd>←</kbd> <kbd>→</kbd> move. Drag along the axis, or with Shift, to zoom to a stretch. <kbd>n</kbd> and <kbd>p</kbd> go from part to part of the strip that <kbd>↑</kbd> <kbd>↓</kbd> choose. <kbd>0</kbd> shows everything. The page’s address keeps the view.</p>
</section>
`;
}

/** Filled by the script. Addresses are those of real mappings; a plan has none. */
function pointTable({ strips, title }: Drawing, id: string): Markup {
  const hasAddresses = strips.some(({ mapped }) => mapped);
  const columns = hasAddresses ? POINT_COLUMNS : POINT_COLUMNS.slice(0, -1);
  return markup`<div class="scroll" tabindex="0" role="group" aria-label="What is pointed at in ${title}"><table class="point" id="${id}-point"><caption></caption>
<thead><tr>${columns.map(columnHeading)}</tr></thead>
<tbody></tbody></table></div>`;
}

function partsTable(drawing: Drawing, id: string): Markup {
  const strip = drawing.strips.at(-1);
  const rows = partRows(strip?.spans ?? [], sceneScale(drawing)).map(
    ([offset = "", ...cells]) =>
      markup`<tr><th scope="row">${offset}</th>${cells.map((cell) => markup`<td>${cell}</td>`)}</tr>
`,
  );
  return markup`<div class="scroll" tabindex="0" role="group" aria-label="Parts of ${drawing.title}"><table class="parts" id="${id}-parts"><caption>${partsCaption(strip?.name ?? "", strip?.spans.length ?? 0)}</caption>
<thead><tr>${PART_COLUMNS.map(columnHeading)}</tr></thead>
<tbody>${rows}</tbody></table></div>`;
}

function columnHeading(title: string): Markup {
  return markup`<th scope="col">${title}</th>`;
}
