/** What the conformance test found: as KTAP, which the kernel's own tests print, and as JSON. */

import type { ConformReport, ConformSubject, PointResult } from "../conform/conform.ts";
import type { MemoryKind } from "../conform/memory-kind.ts";
import { formatSize } from "../layout/sizes.ts";

/**
 * Documentation/dev-tools/ktap.rst: version 1, diagnostics before the line that they belong to. The plan is right behind the version:
 * there alone every release of tools/testing/kunit/kunit_parser.py finds it, and knows a report that was cut off.
 */
export function ktap(report: ConformReport): string {
  const { points } = report;
  return [ktapHead(report, points.length), ...points.map(ktapPoint), ktapEnd(points)].join("");
}

const KINDS: Readonly<Record<MemoryKind, string>> = {
  prefetchable: "a prefetchable BAR, which reading does nothing to",
  "own-memory": "memory that its driver gives, which reading does nothing to",
  registers: "it may be registers, which --touch-registers reads all the same",
};

/** What stands before the first point. @param count of the points that follow */
export function ktapHead(about: ConformSubject, count: number): string {
  const { release, model, device, region, evidence, because, advice } = about;
  return linesOf([
    "KTAP version 1",
    `1..${count}`,
    `# Linux ${release}, ${model}: region ${region.index} of ${device}, ${formatSize(region.size)} at 0x${region.physical.toString(16)}`,
    `# it is read, and nothing is written to it: ${KINDS[region.kind]}`,
    `# evidence: ${evidence}${because === null ? "" : ` (${because})`}`,
    ...(advice === null
      ? []
      : [`# all mappings are advised ${advice}: transparent_hugepage/enabled is madvise`]),
  ]);
}

/** A point's lines. @param index 0 for the first */
export function ktapPoint(point: PointResult, index: number): string {
  const { name, outcome, because, findings } = point;
  const result = `${outcome === "falls-short" ? "not ok" : "ok"} ${index + 1} ${name}`;
  if (outcome === "not-judged") return linesOf([`${result} # SKIP ${because ?? ""}`]);
  const wrong = findings.filter(({ holds }) => !holds);
  const commits = wrong.length === 0 ? [] : point.commits.map((commit) => `# see ${commit}`);
  return linesOf([
    ...wrong.map(({ what, due, found }) => `# ${what}: ${found}, due ${due}`),
    ...commits,
    result,
  ]);
}

/** What stands in the place of the points that will not come. */
export function ktapBailOut(because: string): string {
  return linesOf([`Bail out! ${because}`]);
}

export function ktapEnd(points: readonly PointResult[]): string {
  return linesOf([`# Totals: ${totals(points)}`]);
}

/** What ends a line for a parser: Python's `str.splitlines`, by which kunit.py reads a file, knows more than a line feed. */
const LINE_END = /\s*[\p{Cc}\u2028\u2029]\s*/gu;

/** Each is one line, whatever a kernel or another process put into it. */
function linesOf(texts: readonly string[]): string {
  return texts.map((text) => `${text.replaceAll(LINE_END, " ").trimEnd()}\n`).join("");
}

function totals(points: readonly PointResult[]): string {
  const count = (outcome: PointResult["outcome"]): number =>
    points.filter((point) => point.outcome === outcome).length;
  return `pass:${count("holds")} fail:${count("falls-short")} xfail:0 xpass:0 skip:${count("not-judged")} error:0`;
}

export function conformJson(report: ConformReport): object {
  const { physical } = report.region;
  return {
    schemaVersion: 1,
    ...report,
    region: { ...report.region, physical: `0x${physical.toString(16)}` },
  };
}
