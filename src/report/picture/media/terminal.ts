/** Draws a drawing in text: one line per strip, the axis below, then what the signs mean. */

import { styleText } from "node:util";
import { cellKinds, placeAxis, type Axis } from "./axis.ts";
import type { Drawing, LegendEntry, SpanKind } from "../drawing/drawing.ts";
import { countOf, roundedSize } from "../../text/numbers.ts";

export interface TerminalOptions {
  /** Columns to fill. */
  readonly width: number;
  /** Colour repeats what the signs say; it is never needed to read them. */
  readonly colour: boolean;
}

const SIGNS: Readonly<Record<SpanKind, string>> = { pud: "█", pmd: "▓", pte: "░", gap: "·" };
const COLOURS = { pud: "green", pmd: "yellow", pte: "red", gap: "dim" } as const;

/** The narrowest bar that still shows anything. */
const NARROWEST = 12;

export function renderTerminal(drawing: Drawing, { width, colour }: TerminalOptions): string {
  const nameWidth = Math.max(...drawing.strips.map(({ name }) => name.length));
  const numbersWidth = Math.max(...drawing.strips.map(({ faults }) => faultsText(faults).length));
  const beside = nameWidth + 2 + 2 + numbersWidth;
  const hasNumbers = width - beside >= NARROWEST * 3;
  const cells = Math.max(NARROWEST, width - (hasNumbers ? beside : nameWidth + 2));
  const axis = placeAxis(drawing, cells);
  const indent = " ".repeat(nameWidth + 2);

  const strips = drawing.strips.map(({ name, faults, spans }) => {
    const bar = paint(cellKinds(spans, axis), colour);
    return `${name.padEnd(nameWidth)}  ${bar}${hasNumbers ? `  ${faultsText(faults)}` : ""}`;
  });
  const below = [
    tickLine(drawing.ticks, axis),
    ...legendLines(drawing.legend, width - indent.length, colour),
  ];
  const lines = [...strips, ...below.map((line) => indent + line)];
  return lines.map((line) => `${line.trimEnd()}\n`).join("");
}

function faultsText(faults: number): string {
  return countOf(faults, "fault");
}

function paint(kinds: readonly SpanKind[], colour: boolean): string {
  const runs: { kind: SpanKind; length: number }[] = [];
  for (const kind of kinds) {
    const last = runs.at(-1);
    if (last?.kind === kind) last.length += 1;
    else runs.push({ kind, length: 1 });
  }
  return runs.map(({ kind, length }) => painted(kind, SIGNS[kind].repeat(length), colour)).join("");
}

function painted(kind: SpanKind, text: string, colour: boolean): string {
  return colour ? styleText(COLOURS[kind], text, { validateStream: false }) : text;
}

/** The labels of the ticks, each starting below its cell; those without room are left out, the two ends never. */
function tickLine(ticks: readonly number[], axis: Axis): string {
  const last = ticks.at(-1);
  if (last === undefined) return "";
  const lastLabel = tickLabel(last);
  const lastStart = axis.cells - lastLabel.length;
  let line = "";
  for (const offset of ticks.slice(0, -1)) {
    const start = Math.round(axis.position(offset));
    if (line !== "" && start < line.length + 2) continue;
    const label = tickLabel(offset);
    if (start + label.length + 2 <= lastStart) line = line.padEnd(start) + label;
  }
  return line.padEnd(lastStart) + lastLabel;
}

function tickLabel(offset: number): string {
  return offset === 0 ? "0" : roundedSize(offset);
}

/** What the signs mean, in as many lines of `room` columns as it takes. */
function legendLines(legend: readonly LegendEntry[], room: number, colour: boolean): string[] {
  const lines: { text: string; length: number }[] = [];
  for (const { kind, label } of legend) {
    const text = `${painted(kind, SIGNS[kind], colour)} ${label}`;
    const length = SIGNS[kind].length + 1 + label.length;
    const last = lines.at(-1);
    if (last === undefined || last.length + 3 + length > room) lines.push({ text, length });
    else lines[lines.length - 1] = { text: `${last.text}   ${text}`, length: last.length + 3 + length };
  }
  return lines.map(({ text }) => text);
}
