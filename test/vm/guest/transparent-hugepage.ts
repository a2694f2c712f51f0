/** The system's switch for transparent huge pages, for tests inside the guest. */

import { readFileSync, writeFileSync } from "node:fs";

const file = "/sys/kernel/mm/transparent_hugepage/enabled";

export type TransparentHugepage = "always" | "madvise" | "never";

export const transparentHugepageModes: readonly TransparentHugepage[] = ["always", "madvise", "never"];

export function readTransparentHugepage(): TransparentHugepage {
  const chosen = /\[(\w+)\]/.exec(readFileSync(file, "utf8"))?.[1];
  const mode = transparentHugepageModes.find((mode) => mode === chosen);
  if (mode === undefined) throw new Error(`${file} says ${chosen}`);
  return mode;
}

export function setTransparentHugepage(mode: TransparentHugepage): void {
  writeFileSync(file, mode);
}
