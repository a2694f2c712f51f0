/** The bars that rows are held to, and how figures are written. */

import type { Comparison } from "./pairs.ts";

export type Bar =
  /** hugebar's time is at most so many times the peer's. */
  | { readonly kind: "ratio"; readonly most: number }
  /** Moving `bytes` an operation, hugebar is at least so many times as fast as the peer. */
  | { readonly kind: "speed"; readonly least: number; readonly bytes: number }
  /** hugebar's time is at most so many nanoseconds longer than the peer's. */
  | { readonly kind: "extra"; readonly most: number }
  /** hugebar's time is at most so many nanoseconds; there is no peer. */
  | { readonly kind: "time"; readonly most: number }
  /** hugebar's bytes are at most so many times the peer's. */
  | { readonly kind: "size"; readonly most: number }
  /** A count, which is never more than the peer's. */
  | { readonly kind: "count" };

/** A measured row, as the table shows it. */
export interface Verdict {
  readonly hugebar: string;
  readonly peer: string;
  /** What is held against the bar. */
  readonly figure: string;
  readonly bar: string;
  /** Null where it could not be compared. */
  readonly met: boolean | null;
}

/** Holds a comparison against the bar; null is a row that could not be measured. */
export function judge(bar: Bar, comparison: Comparison | null): Verdict {
  if (comparison === null) return { hugebar: "–", peer: "–", figure: "–", bar: describeBar(bar), met: null };
  const write = (value: number | null): string => (value === null ? "–" : formatValue(bar, value));
  const { figure, met } = holdAgainst(bar, comparison);
  return {
    hugebar: write(comparison.hugebar),
    peer: write(comparison.peer),
    figure: figure ?? "–",
    bar: describeBar(bar),
    met: figure === null ? null : met,
  };
}

function holdAgainst(bar: Bar, comparison: Comparison): { figure: string | null; met: boolean } {
  const { hugebar, peer, ratio, extra } = comparison;
  switch (bar.kind) {
    case "ratio":
    case "size":
      return ratio === null ? NOT_COMPARED : { figure: times(ratio), met: ratio <= bar.most };
    case "speed":
      return ratio === null ? NOT_COMPARED : { figure: times(1 / ratio), met: 1 / ratio >= bar.least };
    case "extra":
      return extra === null ? NOT_COMPARED : { figure: `${signed(extra)} ns`, met: extra <= bar.most };
    case "time":
      return { figure: formatTime(hugebar), met: hugebar <= bar.most };
    case "count":
      return peer === null
        ? NOT_COMPARED
        : { figure: hugebar === peer ? "0" : signed(hugebar - peer, 0), met: hugebar <= peer };
  }
}

const NOT_COMPARED = { figure: null, met: false } as const;

/** The bar in words: `≤ 1.25 ×`. */
export function describeBar(bar: Bar): string {
  switch (bar.kind) {
    case "ratio":
    case "size":
      return `≤ ${bar.most} ×`;
    case "speed":
      return `≥ ${bar.least} ×`;
    case "extra":
      return `≤ ${bar.most} ns more`;
    case "time":
      return `≤ ${formatTime(bar.most)}`;
    case "count":
      return "never more";
  }
}

function formatValue(bar: Bar, value: number): string {
  if (bar.kind === "count") return String(value);
  if (bar.kind === "size") return formatIn(["B", "kB", "MB", "GB"], value);
  return bar.kind === "speed" ? formatSpeed(bar.bytes / value) : formatTime(value);
}

/** A time in nanoseconds with three digits: `12.3 ns`, `4.56 µs`, `78.9 ms`, `1.23 s`. */
export function formatTime(nanoseconds: number): string {
  const units = ["ns", "µs", "ms", "s"];
  return formatIn(units, nanoseconds);
}

/** A speed in bytes a nanosecond with three digits: `9.87 GB/s`. */
export function formatSpeed(bytesPerNanosecond: number): string {
  return formatIn(["B/s", "kB/s", "MB/s", "GB/s"], bytesPerNanosecond * 1e9);
}

/** `value` in the largest of `units`, each a thousand of the one before, of which it is one or more. */
function formatIn(units: readonly string[], value: number): string {
  let scaled = value;
  let unit = 0;
  // From 999.5 on, three digits would write it as 1000.
  while (scaled >= 999.5 && unit < units.length - 1) {
    scaled /= 1000;
    unit += 1;
  }
  return `${threeDigits(scaled)} ${units[unit]}`;
}

function threeDigits(value: number): string {
  if (value >= 99.95) return value.toFixed(0);
  return value >= 9.995 ? value.toFixed(1) : value.toFixed(2);
}

function times(ratio: number): string {
  return `${ratio.toFixed(2)} ×`;
}

function signed(value: number, digits = 1): string {
  return `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(digits)}`;
}
