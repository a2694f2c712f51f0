/** Numbers as people read them. Exact sizes are `formatSize` of layout/; these round, or group digits. */

import type { LeafCount } from "../../layout/leaves.ts";
import { formatSize } from "../../layout/sizes.ts";

const SUFFIXES = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"] as const;

/** A size to four digits at most, in its largest binary unit: `376.8 MiB`, `8 KiB`. */
export function roundedSize(bytes: number): string {
  if (bytes < 0) return `-${roundedSize(-bytes)}`;
  let value = bytes;
  let unit = 0;
  // 1023.96 KiB would round to 1024 KiB: that is 1 MiB.
  while (rounded(value) >= 1024 && unit < SUFFIXES.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${rounded(value)} ${SUFFIXES[unit]}`;
}

function rounded(value: number): number {
  return Number(value.toFixed(value < 1000 ? 1 : 0));
}

/** A count with its digits grouped: `49,286,912`. */
export function formatCount(count: number): string {
  return String(count).replaceAll(/\B(?=(?:\d{3})+$)/g, ",");
}

/** Leaves from large to small: `188 × 1 GiB + 7 × 2 MiB + 256 × 4 KiB`; `none` where there are none. */
export function formatLeaves(leaves: readonly LeafCount[]): string {
  if (leaves.length === 0) return "none";
  return leaves.map(({ size, count }) => `${formatCount(count)} × ${formatSize(size)}`).join(" + ");
}

/** `1 area`, `2 areas` */
export function countOf(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? "" : "s"}`;
}
