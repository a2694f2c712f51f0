/** What tables of mappings say in their cells, in the terminal and on the page. */

import type { InspectedMapping } from "../../inspect/judge/region-mappings.ts";
import type { Unreadable } from "../../inspect/proc/read-file.ts";
import { roundedSize } from "./numbers.ts";

/** Why a process could not be looked at. */
export const REFUSALS: Readonly<Record<Unreadable, string>> = {
  gone: "no such process",
  "not-permitted": "not permitted",
  unreadable: "unreadable",
};

/** What is mapped, and of how much where that is more: `188 GiB of 256 GiB`. */
export function sizes(mapped: number, whole: number | null): string {
  const text = roundedSize(mapped);
  // A BAR smaller than a page is mapped as a whole one.
  if (whole !== null && whole < mapped) return text;
  const wholeText = roundedSize(whole ?? mapped);
  return text === wholeText ? text : `${text} of ${wholeText}`;
}

/** What it is, and what it could be if that is less: `16,777,216 → 64`; what it may be, where it is not known: `64 to 16,777,216`. */
export function figure(
  of: "faults" | "pageTableBytes",
  { now, between, best }: Pick<InspectedMapping, "now" | "between" | "best">,
  format: (value: number) => string,
): string {
  const [least, most] = between?.map((cost) => cost[of]) ?? [];
  if (typeof least === "number" && typeof most === "number")
    return least === most ? format(least) : `${format(least)} to ${format(most)}`;
  const is = now?.[of] ?? null;
  const could = best?.[of] ?? is;
  if (is === null || could === null) return "?";
  return is === could ? format(is) : `${format(is)} → ${format(could)}`;
}
