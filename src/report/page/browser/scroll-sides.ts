/** Tables that scroll in themselves: marks on which sides there is more than is seen. */

import { findAll } from "./dom.ts";

/** A part of a pixel is nothing that could be scrolled to. */
const LEAST = 1;

/**
 * Keeps `data-more` of each table's box at "left", "right" or "both"; without it all is seen.
 *
 * @returns what lets go of them
 */
export function markScrollSides(root: ParentNode): () => void {
  const closing = new AbortController();
  const mark = (box: HTMLElement): void => {
    const left = box.scrollLeft > LEAST;
    const right = box.scrollWidth - box.clientWidth - box.scrollLeft > LEAST;
    if (left || right) box.dataset["more"] = left && right ? "both" : left ? "left" : "right";
    else delete box.dataset["more"];
  };
  const resized = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      const box = target.closest(".scroll");
      if (box instanceof HTMLElement) mark(box);
    }
  });
  for (const box of findAll(root, ".scroll", HTMLElement)) {
    box.addEventListener("scroll", () => mark(box), { passive: true, signal: closing.signal });
    // The window makes the box narrower, the script makes the table wider, and unfolding gives both a size.
    resized.observe(box);
    for (const table of findAll(box, "table", HTMLTableElement)) resized.observe(table);
  }
  return () => {
    closing.abort();
    resized.disconnect();
  };
}
