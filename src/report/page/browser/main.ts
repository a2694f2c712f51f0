/** Starts the page: each section gets its drawing from the data that the page carries. */

import { decodeDrawing, type EncodedDrawing } from "../../picture/page-data.ts";
import { find, findAll } from "./dom.ts";
import { startViewer } from "./viewer.ts";

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- encodeDrawing wrote it into this very page
const drawings = JSON.parse(find(document, "#hugebar-data", HTMLScriptElement).text) as EncodedDrawing[];

for (const [index, section] of findAll(document, "section.drawing", HTMLElement).entries()) {
  const drawing = drawings[index];
  if (drawing !== undefined && drawing.size > 0) startViewer(section, decodeDrawing(drawing));
}
