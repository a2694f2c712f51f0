/** The numbers of a strip as they stand in pictures, each with how it compares to the first strip's. */

import { formatSize } from "../../../layout/sizes.ts";
import type { Drawing, SpanKind, Strip } from "./drawing.ts";
import { formatCount, roundedSize } from "../../text/numbers.ts";

export interface Figure {
  /** `faults`, `page tables` */
  readonly name: "faults" | "page tables";
  readonly value: string;
  /** `109,283 × fewer than none`; empty for the first strip. */
  readonly compared: string;
}

export interface StripFigures {
  readonly figures: readonly Figure[];
  /** Large to small: `188 × 1 GiB`. */
  readonly leaves: readonly { readonly kind: SpanKind; readonly text: string }[];
}

export function figuresOf(strip: Strip, { strips, model }: Drawing): StripFigures {
  const [first = strip] = strips;
  const compared = (now: number, before: number, less: string): string =>
    strip === first ? "" : comparison(now, before, less, first.name);
  return {
    figures: [
      {
        name: "faults",
        value: formatCount(strip.faults),
        compared: compared(strip.faults, first.faults, "fewer"),
      },
      {
        name: "page tables",
        value: roundedSize(strip.pageTableBytes),
        compared: compared(strip.pageTableBytes, first.pageTableBytes, "less"),
      },
    ],
    leaves: strip.leaves.map(({ size, count }) => ({
      kind: size === model.pageSize ? "pte" : size === model.pmdSize ? "pmd" : "pud",
      text: `${formatCount(count)} × ${formatSize(size)}`,
    })),
  };
}

function comparison(now: number, before: number, less: string, than: string): string {
  if (now === before) return `same as ${than}`;
  if (now === 0 || before === 0) return `${now === 0 ? less : "more"} than ${than}`;
  if (Math.max(now, before) / Math.min(now, before) < 1.05) return `almost the same as ${than}`;
  return now < before
    ? `${times(before / now)} ${less} than ${than}`
    : `${times(now / before)} more than ${than}`;
}

function times(factor: number): string {
  return `${factor >= 10 ? formatCount(Math.round(factor)) : factor.toFixed(1)} ×`;
}

/** A strip in a sentence, for those who cannot see it. */
export function stripInWords({ name, about, leaves, faults, pageTableBytes }: Strip): string {
  const counted = leaves.map(({ size, count }) => `${formatCount(count)} leaves of ${formatSize(size)}`);
  const mapped = counted.length === 0 ? "nothing mapped" : counted.join(", ");
  return `${name}, ${about}: ${mapped}; ${formatCount(faults)} faults, ${roundedSize(pageTableBytes)} of page tables`;
}
