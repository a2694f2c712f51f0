/** Draws a picture as one HTML page. Without its script it shows each region whole; with it, it zooms. */

import type { Picture } from "../picture/drawing/picture.ts";
import { encodeDrawing } from "../picture/scene/encode-drawing.ts";
import { jsonMarkup, markup } from "../picture/media/markup.ts";
import { htmlDocument } from "./document.ts";
import { drawingSection, noteList, readingHelp } from "./drawing-section.ts";
import { pageScript } from "./page-script.ts";
import { summarySection, tallyOf } from "./summary-section.ts";

export function renderHtml(picture: Picture): string {
  const { title, notes, drawings, summary } = picture;
  const first = drawings.findIndex(({ size }) => size > 0);
  const legend = first === -1 ? markup`` : readingHelp(drawings);
  // One drawing has it below its strips; before many it stands by itself.
  const sections = drawings.map((drawing, index) =>
    drawingSection(drawing, index, title, summary === undefined && index === first ? legend : null),
  );
  const header = markup`<h1>${title}</h1>
${summary === undefined ? noteList(notes) : tallyOf(summary)}`;
  const main =
    summary === undefined
      ? sections
      : markup`${summarySection(summary)}${legend}${sections}${noteList(notes.slice(1))}`;
  return htmlDocument({
    title,
    body: markup`<header>
${header}
</header>
<main>
${main}</main>
<script type="application/json" id="hugebar-data">${jsonMarkup(drawings.map(encodeDrawing))}</script>`,
    script: pageScript(),
  });
}
