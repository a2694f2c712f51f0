/** Draws a picture as one HTML page. Without its script it shows each region whole; with it, it zooms. */

import type { Picture } from "../picture/picture.ts";
import { encodeDrawing } from "../picture/encode-drawing.ts";
import { jsonMarkup, markup } from "../picture/markup.ts";
import { htmlDocument } from "./document.ts";
import { drawingSection, noteList, readingHelp } from "./drawing-section.ts";
import { pageScript } from "./page-script.ts";
import { summarySection, tallyOf } from "./summary-section.ts";

export function renderHtml(picture: Picture): string {
  const { title, notes, drawings, summary } = picture;
  const sections = drawings.map((drawing, index) => drawingSection(drawing, index, title));
  const legend = drawings.some(({ size }) => size > 0) ? readingHelp(drawings) : "";
  const header =
    summary === undefined
      ? markup`<h1>${title}</h1>
${noteList(notes)}`
      : markup`<h1>${title}</h1>
${tallyOf(summary)}`;
  const main =
    summary === undefined
      ? // The one drawing explains itself; of several, the first one is followed by what all of them need.
        markup`${sections.slice(0, 1)}${legend}${sections.slice(1)}`
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
