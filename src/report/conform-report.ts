/** What the conformance test found: as KTAP, which the kernel's own tests print, and as JSON. */

import type { ConformReport, PointResult } from "../conform/conform.ts";
import { formatSize } from "../layout/sizes.ts";

/** Documentation/dev-tools/ktap.rst: version 1, diagnostics before the line that they belong to. */
export function ktap(report: ConformReport): string {
  const { points } = report;
  const lines = [
    "KTAP version 1",
    `# Linux ${report.release}, ${report.model}: region ${report.region.index} of ${report.device}, ${formatSize(report.region.size)} at 0x${report.region.physical.toString(16)}`,
    `# evidence: ${report.evidence}${report.because === null ? "" : ` (${report.because})`}`,
    `1..${points.length}`,
    ...points.flatMap(pointLines),
    `# Totals: ${totals(points)}`,
  ];
  return `${lines.join("\n")}\n`;
}

function pointLines(point: PointResult, index: number): string[] {
  const { name, outcome, because, findings } = point;
  const result = `${outcome === "falls-short" ? "not ok" : "ok"} ${index + 1} ${name}`;
  if (outcome === "not-judged") return [`${result} # SKIP ${because ?? ""}`];
  const wrong = findings.filter(({ holds }) => !holds);
  const commits = wrong.length === 0 ? [] : point.commits.map((commit) => `# see ${commit}`);
  return [...wrong.map(({ what, due, found }) => `# ${what}: ${found}, due ${due}`), ...commits, result];
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
