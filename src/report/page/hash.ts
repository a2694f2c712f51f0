/** What the page's address keeps behind its `#`: entries of a name and a value. It runs in the browser. */

import type { View, ViewLimits } from "../picture/scene/view.ts";

/** An entry without a value is the name of a place on the page, as in any link. */
export type HashEntry = readonly [name: string, value: string | null];

/** What stands in addresses as it is, besides what encodeURIComponent leaves alone. */
const READABLE: Readonly<Record<string, string>> = { "%3A": ":", "%2C": ",", "%2F": "/" };

/** `drawing-2=0x0-0x1000&size=64G`; empty for no entries. */
export function encodeHash(entries: readonly HashEntry[]): string {
  return entries
    .map(([name, value]) => (value === null ? escaped(name) : `${escaped(name)}=${escaped(value)}`))
    .join("&");
}

function escaped(text: string): string {
  return encodeURIComponent(text.toWellFormed()).replaceAll(
    /%(?:3A|2C|2F)/g,
    (code) => READABLE[code] ?? code,
  );
}

/** Reads what `encodeHash` writes, with or without the `#`, and makes of anything else what it can. */
export function decodeHash(hash: string): HashEntry[] {
  return hash
    .replace(/^#/, "")
    .split("&")
    .filter((entry) => entry !== "")
    .map((entry): HashEntry => {
      const [name = "", ...rest] = entry.split("=");
      return [unescaped(name), rest.length === 0 ? null : unescaped(rest.join("="))];
    });
}

function unescaped(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // Not an address of ours: a bare percent sign stands for itself.
    return text;
  }
}

/** What is seen of a drawing, and the strip whose parts are listed. */
export interface Sight {
  readonly view: View;
  readonly strip: number;
}

/** `0x2f00000000-0x2f01000000,2`: from, to, and the strip, counted from 1. In whole bytes. */
export function encodeSight({ view: { from, to }, strip }: Sight): string {
  return `0x${Math.floor(from).toString(16)}-0x${Math.ceil(to).toString(16)},${strip + 1}`;
}

/** Null for what names no view of a drawing of this size and so many strips. */
export function decodeSight(text: string, { size, smallest }: ViewLimits, strips: number): Sight | null {
  const [, from = "", to = "", strip = ""] =
    /^(0x[\da-f]{1,14})-(0x[\da-f]{1,14}),(\d{1,6})$/.exec(text) ?? [];
  const sight = { view: { from: Number(from), to: Number(to) }, strip: Number(strip) - 1 };
  const length = sight.view.to - sight.view.from;
  const isView = from !== "" && sight.view.to <= size && length >= Math.min(smallest, size) && length > 0;
  return isView && sight.strip >= 0 && sight.strip < strips ? sight : null;
}
