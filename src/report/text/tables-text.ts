/** What page tables hold, as text: of each mapping beside the rule, and of guests. */

import type { InspectedProcess, Inspection } from "../../inspect/inspection.ts";
import type { InspectedGuestPiece } from "../../inspect/judge/guest-slots.ts";
import type { TableReading } from "../../inspect/tables/readings.ts";
import type { LeafCount } from "../../layout/leaves.ts";
import type { AdvisedRow } from "./counsel-for-many.ts";
import { formatLeaves, roundedSize } from "./numbers.ts";
import { printable } from "./printable.ts";
import { tableText } from "./fitted-table.ts";
import type { TextLayout } from "./text-layout.ts";
import { wrapped } from "./wrapped.ts";

export interface TablesText {
  /** Empty where nothing was read. */
  readonly tables: readonly string[];
  /** Those about guests, for the advice below. */
  readonly rows: readonly AdvisedRow[];
}

const STATES: Readonly<Record<Exclude<TableReading["state"], "read">, string>> = {
  changed: "changed while being read",
  gone: "gone",
  none: "none yet",
  unknown: "not read (shadow MMU)",
};

/** @param all show what is as good as possible too */
export function tablesText({ processes }: Inspection, layout: TextLayout, all: boolean): TablesText {
  const pieces = processes.flatMap(({ pid, guests }) =>
    (guests?.pieces ?? [])
      .filter(({ verdict }) => all || verdict !== "huge")
      .map((piece) => ({ pid, piece })),
  );
  return {
    tables: [
      ...hostTable(processes, layout, all),
      ...(pieces.length === 0 ? [] : [guestTable(pieces, layout)]),
      ...counterLines(processes, layout, all),
    ],
    rows: pieces.map(({ pid, piece: { mapping, reasons } }) => ({
      name: `guest of ${pid}, region ${mapping.identity.region ?? "?"}`,
      remarks: reasons,
    })),
  };
}

function hostTable(processes: readonly InspectedProcess[], layout: TextLayout, all: boolean): string[] {
  const rows = processes.flatMap(({ pid, mappings }) =>
    mappings
      .filter(({ verdict }) => all || verdict !== "huge")
      .flatMap(({ identity, vmas, now, tables }) => {
        if (tables === null) return [];
        const { state, leaves, touchedBytes } = tables;
        const size = vmas.reduce((sum, vma) => sum + vma.size, 0);
        return [
          [
            String(pid),
            printable(identity.device ?? "?"),
            String(identity.region ?? "?"),
            touchedBytes === null ? "?" : `${roundedSize(touchedBytes)} of ${roundedSize(size)}`,
            leavesOr(leaves, state),
            now === null ? "?" : formatLeaves(now.leaves),
          ],
        ];
      }),
  );
  if (rows.length === 0) return [];
  return [
    `Read from the page tables:\n\n${tableText(
      [
        { title: "PID", align: "right" },
        { title: "DEVICE", align: "left" },
        { title: "REGION", align: "left" },
        { title: "TOUCHED", align: "right", dispensable: 2 },
        { title: "LEAVES THAT ARE THERE", align: "left" },
        { title: "BY THE RULES, ALL TOUCHED", align: "left", dispensable: 1 },
      ],
      rows,
      layout,
    )}`,
  ];
}

function leavesOr(leaves: readonly LeafCount[] | null, state: TableReading["state"]): string {
  if (leaves !== null) return leaves.length === 0 ? "none" : formatLeaves(leaves);
  return state === "read" ? "?" : STATES[state];
}

function guestTable(
  rows: readonly { readonly pid: number; readonly piece: InspectedGuestPiece }[],
  layout: TextLayout,
): string {
  return `In the guests, by memory slot:\n\n${tableText(
    [
      { title: "PID", align: "right" },
      { title: "DEVICE", align: "left" },
      { title: "REGION", align: "left" },
      { title: "GUEST ADDRESS", align: "right", dispensable: 3 },
      { title: "SIZE", align: "right", dispensable: 4 },
      { title: "LEAVES THAT ARE THERE", align: "left" },
      { title: "BY THE RULES, ALL TOUCHED", align: "left", dispensable: 2 },
      { title: "VERDICT", align: "left" },
      { title: "REASONS", align: "left", dispensable: 1 },
    ],
    rows.map(({ pid, piece }) => {
      const { mapping, offset, reading, leaves, reasons } = piece;
      const start = offset === null || offset === 0 ? "" : `+0x${offset.toString(16)}`;
      return [
        String(pid),
        printable(mapping.identity.device ?? "?"),
        `${mapping.identity.region ?? "?"}${start}`,
        `0x${piece.guestAddress.toString(16)}`,
        roundedSize(piece.size),
        leavesOr(reading.state === "read" ? reading.leaves : null, reading.state),
        leaves === null ? "?" : formatLeaves(leaves),
        piece.verdict,
        reasons.map(({ code }) => code).join(", "),
      ];
    }),
    layout,
  )}`;
}

/** What the kernel counts of guests: all there is to say without reading tables. */
function counterLines(processes: readonly InspectedProcess[], { width }: TextLayout, all: boolean): string[] {
  return processes.flatMap(({ pid, mappings, guests }) => {
    if (guests === null || (!all && mappings.every(({ verdict }) => verdict === "huge"))) return [];
    const { counters, secondStage } = guests;
    const tables =
      secondStage === null
        ? ""
        : `; second-stage tables of its control group: ${roundedSize(secondStage.bytes)}`;
    return counters.map(({ leaves }) => {
      const counted = leaves.length === 0 ? "no leaves yet" : formatLeaves(leaves);
      const text = `The guest of ${pid} has ${counted}, its own memory included${tables}.`;
      return `${wrapped(text, width, "  ").join("\n")}\n`;
    });
  });
}
