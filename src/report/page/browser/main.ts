/** Starts the page: each section gets its drawing from the data that the page carries, once it is unfolded. */

import { decodeDrawing, type EncodedDrawing } from "../../picture/scene/page-data.ts";
import { find, findAll } from "./dom.ts";
import { markScrollSides } from "./scroll-sides.ts";
import { keepSightsInHash, type Place } from "./sights-in-hash.ts";
import { startViewer, type Viewer } from "./viewer.ts";

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- encodeDrawing wrote it into this very page
const drawings = JSON.parse(find(document, "#hugebar-data", HTMLScriptElement).text) as EncodedDrawing[];

const places: Place[] = [];
let changed = (): void => undefined;

for (const [index, section] of findAll(document, "section.drawing", HTMLElement).entries()) {
  const encoded = drawings[index];
  if (encoded === undefined || encoded.size === 0) continue;
  const [fold] = findAll(section, "details", HTMLDetailsElement);
  let viewer: Viewer | null = null;
  const start = (): Viewer => {
    viewer ??= startViewer(section, decodeDrawing(encoded), () => changed());
    return viewer;
  };
  fold?.addEventListener("toggle", () => {
    if (fold.open) start();
  });
  if (fold?.open !== false) start();
  places.push({
    id: section.id,
    limits: { size: encoded.size, smallest: encoded.scale.leafOf.pte },
    strips: encoded.strips.length,
    sight: () => viewer?.sight() ?? null,
    show: (sight) => {
      if (sight !== null || viewer !== null) start().show(sight);
    },
    reveal: () => {
      if (fold !== undefined) fold.open = true;
      section.scrollIntoView();
    },
  });
}
/** Nothing can be unfolded on paper: what the summary folds is open for as long as it is printed. */
const folds = findAll(document, "details.more", HTMLDetailsElement);
let unfolded: HTMLDetailsElement[] = [];
window.addEventListener("beforeprint", () => {
  unfolded = folds.filter(({ open }) => !open);
  for (const fold of unfolded) fold.open = true;
});
window.addEventListener("afterprint", () => {
  for (const fold of unfolded.splice(0)) fold.open = false;
});
markScrollSides(document);
document.documentElement.classList.add("lively");
changed = keepSightsInHash(() => places);
