/** An inspection as a picture: for each region that a process maps, how it is and how it could be. */

import type { Inspection, InspectedProcess } from "../../../inspect/inspection.ts";
import { regionInWords, type InspectedMapping } from "../../../inspect/judge/region-mappings.ts";
import type { Cost } from "../../../inspect/judge/judge.ts";
import type { PagingModel } from "../../../layout/paging.ts";
import { drawRegion, type Drawing, type Piece, type StripInput } from "./drawing.ts";
import type { Picture } from "./picture.ts";
import { mappedStrip } from "./mapped-strip.ts";
import { guestStrips, readStrips } from "./tables-strips.ts";
import { ownerInWords } from "../../../inspect/proc/owner.ts";
import { summaryOf, worstFirst } from "./summary.ts";
import { countOf, roundedSize } from "../../text/numbers.ts";

/** More are no picture any more, and a document of hundreds of megabytes. */
const MOST_DRAWN = 500;

/** @param all also draw what is as good as possible */
export function inspectionPicture(inspection: Inspection, all: boolean): Picture {
  const { machine, processes } = inspection;
  const { model, kernel, arch, thp } = machine;
  const wanted = worstFirst(
    processes.flatMap((process) =>
      process.mappings
        .filter(({ verdict }) => all || verdict !== "huge")
        .map((mapping) => ({ process, mapping })),
    ),
  );
  const shown = wanted.slice(0, MOST_DRAWN);
  const hidden = processes.flatMap(({ mappings }) => mappings).length - wanted.length;
  const refused = processes.filter((process) => process.refused !== null).length;
  const drawings =
    model === null ? [] : shown.map(({ process, mapping }) => drawingOf(process, mapping, model));
  return {
    title: "Mappings of device memory",
    notes: [
      `Linux ${kernel === "" ? "of an unknown version" : kernel} on ${arch === "" ? "an unknown architecture" : arch}; transparent huge pages: ${thp ?? "unknown"}`,
      shown.length === 0 ? "Nothing falls short" : `Drawn: ${countOf(shown.length, "region")}`,
      ...(model === null && shown.length > 0 ? ["Not drawn: the paging of this machine is not known"] : []),
      ...(shown.length === wanted.length
        ? []
        : [
            `Left out, as there are too many: ${countOf(wanted.length - shown.length, "region")} with less to gain than those drawn`,
          ]),
      ...(hidden === 0
        ? []
        : [`Left out, as good as possible: ${countOf(hidden, "region")} (--all draws them)`]),
      ...(refused === 0 ? [] : [`Not looked at, as they could not be read: ${refused}`]),
    ],
    drawings,
    summary: summaryOf(inspection, model === null ? [] : shown),
  };
}

function drawingOf(
  { pid, command, owner, vmPteBytes, guests }: InspectedProcess,
  mapping: InspectedMapping,
  model: PagingModel,
): Drawing {
  const { identity, vmas, verdict, reasons } = mapping;
  const pieces = piecesOf(mapping);
  const last = pieces.at(-1);
  const end = last === undefined ? 0 : last.offset + last.size;
  const isWhole = identity.regionSize !== null && identity.offset !== null && identity.regionSize >= end;
  const start = pieces[0]?.offset ?? 0;
  const physical =
    identity.congruence === null ? null : residue(identity.congruence - BigInt(start), model.pudSize);
  const real =
    vmPteBytes === null ? "" : `; the page tables of the whole process take ${roundedSize(vmPteBytes)} now`;
  return drawRegion(
    {
      title: `${command} (${pid}${owner === null ? "" : `, ${ownerInWords(owner)}`}): ${regionInWords(mapping)}`,
      notes: [
        `${countOf(vmas.length, "mapping")}${isWhole ? "" : "; the size of the region is not known, and the picture ends with what is mapped"}${real}`,
      ],
      judged: { verdict, reasons },
      size: isWhole ? identity.regionSize : end,
      physical,
      gapName: mapping.tables === null ? "not mapped" : "not touched, or not mapped",
    },
    [
      ...readStrips(mapping, pieces, model),
      ...stripsOf(mapping, pieces, physical),
      ...guestStrips(mapping, guests?.pieces ?? [], model),
    ],
    model,
  );
}

/** Where the mappings lie in their region; where that is not known, in relation to the first one. */
function piecesOf({ identity, vmas }: InspectedMapping): Piece[] {
  const [first] = vmas;
  return vmas.map(({ start, size }) => ({
    offset: (identity.offset ?? 0) + Number(start - (first?.start ?? start)),
    size,
    address: start,
  }));
}

function stripsOf(
  { now, between, best, reasons }: InspectedMapping,
  pieces: readonly Piece[],
  physical: bigint | null,
): StripInput[] {
  if (between !== null) {
    const [least, most] = between;
    const about = "as it may be, for what decides is not known";
    return [
      ...stripOf({ name: "at best", about, mapped: true }, pieces, least),
      ...stripOf({ name: "at worst", about, mapped: true }, pieces, most),
    ];
  }
  if (now === null || best === null) return [];
  const strip = stripOf({ name: "now", about: "as it is mapped", mapped: true }, pieces, now);
  if (now.faults === best.faults) return strip;
  const aligned = pieces.map((piece) => ({ ...piece, address: (physical ?? 0n) + BigInt(piece.offset) }));
  return [...strip, ...stripOf({ name: "best", about: bestInWords(reasons), mapped: false }, aligned, best)];
}

/** None where the architecture's page tables are not known: then nothing is drawn at all. */
function stripOf(
  named: Pick<StripInput, "name" | "about" | "mapped">,
  pieces: readonly Piece[],
  { pageTableBytes, ...cost }: Cost,
): StripInput[] {
  return pageTableBytes === null ? [] : [mappedStrip(named, pieces, { ...cost, pageTableBytes })];
}

/** What the mappings would have to be for the best there is. */
function bestInWords(reasons: InspectedMapping["reasons"]): string {
  const codes = new Set(reasons.map(({ code }) => code));
  const isSplit = codes.delete("split");
  const isMisaligned = codes.delete("misaligned");
  if (codes.size > 0) return "with nothing in its way";
  if (isSplit) return isMisaligned ? "as one mapping, with the region aligned" : "as one mapping";
  return "with the region aligned";
}

/** What `value` is past a multiple of `unit`, never below 0. */
function residue(value: bigint, unit: number): bigint {
  const past = value % BigInt(unit);
  return past < 0n ? past + BigInt(unit) : past;
}
