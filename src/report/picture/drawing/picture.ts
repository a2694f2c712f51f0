/** A picture: what renderers of documents get. */

import type { Drawing } from "./drawing.ts";
import type { Summary } from "./summary.ts";

/** One region or several, under one title. */
export interface Picture {
  readonly title: string;
  /** What there is to say about all of them, a sentence each. */
  readonly notes: readonly string[];
  readonly drawings: readonly Drawing[];
  /** What the page opens with; absent where the drawings speak for themselves. */
  readonly summary?: Summary;
}
