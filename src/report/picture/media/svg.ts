/** Draws a picture as one SVG document, which stands alone: no script, no font, nothing to load. */

import { formatSize } from "../../../layout/sizes.ts";
import { notesOn, type Drawing, type Strip } from "../drawing/drawing.ts";
import type { Picture } from "../drawing/picture.ts";
import { figuresOf, stripInWords } from "../drawing/figures.ts";
import { axisGraphic, stripGraphic } from "./graphics.ts";
import { markup, type Markup } from "./markup.ts";
import { FONT, GRAINS, PICTURE_STYLE, styleElement } from "./picture-style.ts";
import { AXIS_HEIGHT, STRIP } from "../scene/scene.ts";
import { wrapped } from "../../text/wrapped.ts";
import type { Summary } from "../drawing/summary.ts";

const WIDTH = 1200;
const MARGIN = 40;
const GUTTER = 96;
/** Characters of a note that fit on a line. */
const NOTE_LENGTH = 140;
/** The same of the title of a drawing. */
const TITLE_LENGTH = 96;
const BAR = WIDTH - 2 * MARGIN - GUTTER;

const SVG_STYLE = `
text { font-family: ${FONT}; fill: var(--ink); font-variant-numeric: tabular-nums; }
.paper { fill: var(--surface); }
.title { font-size: 22px; font-weight: 600; }
.note, .about, .compared, .unit { font-size: 12.5px; fill: var(--quiet); }
.name { font-size: 15px; font-weight: 600; }
.number { font-size: 34px; font-weight: 400; letter-spacing: -0.02em; }
.number.small { font-size: 24px; }
.after .number { font-weight: 600; }
.unit { font-weight: 400; letter-spacing: 0; }
.leaf-count { font-size: 14px; }
.hairline { stroke: var(--rule); }
`;

/** A piece of the document and how high it is, in pixels. */
interface Block {
  readonly height: number;
  readonly content: Markup;
}

export function renderSvg({ title, notes, drawings, summary }: Picture): string {
  const blocks = [
    headBlock(title, summary === undefined ? notes : [...tallyOf(summary), ...notes.slice(1)]),
    ...drawings.map((drawing, index) => drawingBlock(drawing, index, drawing.title !== title)),
  ];
  let y = MARGIN;
  const placed = blocks.map(({ height, content }) => {
    const group = markup`<g transform="translate(${MARGIN} ${y})">${content}</g>
`;
    y += height;
    return group;
  });
  return markup`<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${y + 16}" viewBox="0 0 ${WIDTH} ${y + 16}" role="img" aria-labelledby="title description">
<title id="title">${title}</title>
<desc id="description">${drawings.flatMap(descriptionOf).join(" ")}</desc>
${styleElement(PICTURE_STYLE + SVG_STYLE)}
${GRAINS}
<rect class="paper" width="${WIDTH}" height="${y + 16}"/>
${placed}</svg>
`.text;
}

function descriptionOf({ title, strips }: Drawing): string[] {
  return [`${title}.`, ...strips.map((strip) => `${stripInWords(strip)}.`)];
}

/** Whose machine it is, when, by what, and the sum of it; the first note says a part of that. */
function tallyOf({ facts, headline, cost }: Summary): string[] {
  return [
    facts.map(([name, value]) => `${name}: ${value}`).join("; "),
    headline,
    ...(cost === null ? [] : [cost]),
  ];
}

function headBlock(title: string, notes: readonly string[]): Block {
  const lines = linesOf(notes);
  return {
    height: 34 + 20 * lines.length + 14,
    content: markup`<text class="title" y="18">${cut(title, 90)}</text>${lines.map(noteAt(42))}`,
  };
}

/** SVG breaks no lines by itself. */
function linesOf(notes: readonly string[]): string[] {
  return notes.flatMap((note) => wrapped(note, NOTE_LENGTH, "")).map((line) => cut(line, NOTE_LENGTH));
}

function noteAt(top: number): (note: string, index: number) => Markup {
  return (note, index) => markup`<text class="note" y="${top + 20 * index}">${note}</text>`;
}

function drawingBlock(drawing: Drawing, index: number, titled: boolean): Block {
  const { strips, title, size } = drawing;
  const id = `drawing-${index + 1}`;
  const parts: Markup[] = [];
  let y = 0;
  if (titled) {
    const lines = linesOf(notesOn(drawing));
    // Not cut: its end says which region it is.
    const titleLines = wrapped(title, TITLE_LENGTH, "");
    const below = 20 * (titleLines.length - 1);
    parts.push(
      markup`${titleLines.map((line, place) => markup`<text class="name" y="${14 + 20 * place}">${line}</text>`)}${lines.map(noteAt(36 + below))}`,
    );
    y += 30 + below + 20 * lines.length + 12;
  }
  const most = Math.max(1, ...strips.map(({ leaves }) => leaves.length));
  const column = (WIDTH - 2 * MARGIN) / Math.max(1, strips.length);
  parts.push(
    ...strips.map(
      (strip, place) =>
        markup`<g id="${id}-figures-${place + 1}" class="${place > 0 && place === strips.length - 1 ? "figures after" : "figures"}" transform="translate(${place * column} ${y})">${figuresContent(strip, drawing, column - 24)}</g>
`,
    ),
  );
  y += 190 + 20 * most + 26;
  if (size === 0) return { height: y, content: markup`<g id="${id}">${parts}</g>` };
  for (const [place, strip] of strips.entries()) {
    parts.push(
      markup`<g id="${id}-strip-${place + 1}" class="strip" transform="translate(0 ${y})"><title>${stripInWords(strip)}</title>
<text class="name" y="${STRIP.top + STRIP.bar / 2 + 5}">${cut(strip.name, 11)}</text>
<g transform="translate(${GUTTER} 0)">${stripGraphic(strip, drawing, BAR)}</g></g>
`,
    );
    y += STRIP.height + 4;
  }
  parts.push(
    markup`<g id="${id}-axis" class="axis" transform="translate(${GUTTER} ${y})">${axisGraphic(drawing, BAR)}</g>
`,
  );
  y += AXIS_HEIGHT + 22;
  parts.push(legend(drawing, y));
  return { height: y + 62, content: markup`<g id="${id}" class="drawing">${parts}</g>` };
}

function figuresContent(strip: Strip, drawing: Drawing, width: number): Markup {
  const { figures, leaves } = figuresOf(strip, drawing);
  const numbers = figures.map(({ name, value, compared }, index) => {
    const y = 84 + 72 * index;
    return markup`<text class="${value.length > 12 ? "number small" : "number"}" y="${y}">${value}<tspan class="unit" dx="8">${name}</tspan></text><text class="compared" y="${y + 20}">${compared}</text>`;
  });
  const counts = leaves.map(({ kind, text }, index) => {
    const y = 206 + 20 * index;
    return markup`<rect class="${kind}" y="${y - 11}" width="12" height="12"/><text class="leaf-count" x="20" y="${y}">${text}</text>`;
  });
  const nothing = leaves.length === 0 ? markup`<text class="about" y="206">nothing mapped</text>` : "";
  return markup`<path class="hairline" d="M0 .5H${width}"/><text class="name" y="24">${cut(strip.name, 40)}</text><text class="about" y="42">${cut(strip.about, 52)}</text>${numbers}${counts}${nothing}`;
}

/** What the looks mean, and the lines. */
function legend({ legend: entries, model }: Drawing, y: number): Markup {
  let x = GUTTER;
  const kinds = entries.map(({ kind, label }) => {
    const entry = markup`<rect class="${kind}" x="${x}" y="${y - 11}" width="14" height="14"/><rect class="track" x="${x + 0.5}" y="${y - 10.5}" width="13" height="13"/><text class="note" x="${x + 20}" y="${y}">${label}</text>`;
    x += 20 + label.length * 7 + 24;
    return entry;
  });
  return markup`<g class="legend">${kinds}<text class="note" x="${x}" y="${y}">${model.name}, pages of ${formatSize(model.pageSize)}</text><text class="note" x="${GUTTER}" y="${y + 22}">Tall edges: areas. Lines in a part: leaf boundaries of its addresses, virtual ones above and physical ones below; one line where they meet.</text></g>`;
}

/** Names may be of any length; there is room for so many characters. */
function cut(text: string, length: number): string {
  const characters = Array.from(new Intl.Segmenter().segment(text), ({ segment }) => segment);
  return characters.length <= length ? text : `${characters.slice(0, length - 1).join("")}…`;
}
