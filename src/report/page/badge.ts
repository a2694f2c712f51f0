/** Verdicts as badges: a word, and a shape that says the same without colour. */

import type { Verdict } from "../../inspect/judge/judge.ts";
import { markup, type Markup } from "../picture/media/markup.ts";

/** On 14 × 14 pixels: a full square, one half full, one of grains, a cross, a question mark. */
const SHAPES: Readonly<Record<Verdict, Markup>> = {
  huge: markup`<rect x="1" y="1" width="12" height="12" fill="currentColor"/>`,
  partial: markup`<rect x="1" y="7" width="12" height="6" fill="currentColor"/><rect x="1.75" y="1.75" width="10.5" height="10.5" fill="none" stroke="currentColor" stroke-width="1.5"/>`,
  small: markup`<path d="M1 1h3v3h-3zM5.5 1h3v3h-3zM10 1h3v3h-3zM1 5.5h3v3h-3zM5.5 5.5h3v3h-3zM10 5.5h3v3h-3zM1 10h3v3h-3zM5.5 10h3v3h-3zM10 10h3v3h-3z" fill="currentColor"/>`,
  wrong: markup`<path d="M2 2L12 12M12 2L2 12" stroke="currentColor" stroke-width="2.5" fill="none"/>`,
  unknown: markup`<path d="M4 5a3 3 0 1 1 4.6 2.5c-1 .7-1.6 1.200-1.6 2.300M7 11.5v1.8" stroke="currentColor" stroke-width="1.8" fill="none"/>`,
};

/** What a verdict means, in a few words. */
export const VERDICT_IN_WORDS: Readonly<Record<Verdict, string>> = {
  wrong: "huge leaves that show other memory than they should",
  small: "no huge leaf, and there could be",
  partial: "some huge leaves, and there could be more",
  unknown: "what decides is not known",
  huge: "as good as possible",
};

export function badge(verdict: Verdict): Markup {
  return markup`<span class="badge ${verdict}"><svg width="14" height="14" viewBox="0 0 14 14" aria-hidden="true">${SHAPES[verdict]}</svg>${verdict}</span>`;
}
