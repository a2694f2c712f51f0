/** The one place that loads koffi; in the executable build/executable/koffi.ts takes its place. */

import { createRequire } from "node:module";
import type * as Koffi from "koffi";

export type { Koffi };

export function loadKoffi(): typeof Koffi {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- require() has no type; this is the module's own
  return createRequire(import.meta.url)("koffi") as typeof Koffi;
}
