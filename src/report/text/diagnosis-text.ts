/** A machine's diagnosis as one page of text. */

import { styleText } from "node:util";
import type { Diagnosis, Finding } from "../../inspect/doctor.ts";
import type { Outcome } from "../../inspect/outcome.ts";
import { leftOut, problemsIn } from "../../inspect/finding.ts";
import { printable } from "./printable.ts";
import type { TextLayout } from "./text-layout.ts";
import { paragraph, wrapped } from "./wrapped.ts";

const TITLES: readonly (readonly [Finding["topic"], string])[] = [
  ["kernel", "Kernel"],
  ["thp", "Transparent huge pages"],
  ["iommu", "IOMMU"],
  ["device", "Devices"],
  ["process", "Processes"],
];

const SIGNS = { good: "ok", note: "--", problem: "!!" } as const;
const COLOURS = { good: "green", note: "cyan", problem: "red" } as const;

/** Lines of a page. */
const PAGE = 60;

export function diagnosisText({ findings, outcome }: Diagnosis, layout: TextLayout): string {
  let shown = findings;
  for (;;) {
    const text = pageOf(shown, outcome.exitCode, layout);
    const fewer = text.split("\n").length - 1 > PAGE ? withoutLast(shown) : null;
    if (fewer === null) return text;
    shown = fewer;
  }
}

/** Where the rest of a topic is shown. */
const WHERE: Readonly<Record<Finding["topic"], string>> = {
  kernel: "hugebar doctor --json",
  thp: "hugebar doctor --json",
  iommu: "hugebar doctor --json",
  device: "hugebar doctor --json",
  process: "hugebar inspect",
};

/** Leaves out the last point of the topic with the most, and counts it with those left out before; null where none has any. */
function withoutLast(findings: readonly Finding[]): readonly Finding[] | null {
  const isSpare = ({ state, leftOut: left }: Finding): boolean => state !== "good" && left === undefined;
  const [topic, most] = TITLES.map(
    ([each]) => [each, findings.filter((finding) => finding.topic === each && isSpare(finding))] as const,
  ).reduce((one, other) => (other[1].length >= one[1].length ? other : one));
  const last = most.at(-1);
  if (last === undefined || most.length < 2) return null;
  const where = WHERE[topic];
  const counted = findings.find(({ topic: its, leftOut: left }) => its === topic && left?.where === where);
  const sum = leftOut(counted === undefined ? [last] : [last, counted], where);
  return findings.flatMap((finding) => {
    if (finding === counted) return [sum];
    if (finding !== last) return [finding];
    return counted === undefined ? [sum] : [];
  });
}

function pageOf(
  findings: readonly Finding[],
  exitCode: Outcome["exitCode"],
  { width, colour }: TextLayout,
): string {
  const sections = TITLES.flatMap(([topic, title]) => {
    const found = findings.filter((finding) => finding.topic === topic);
    if (found.length === 0) return [];
    // What is to do about several in a row is said once, behind the last of them.
    const lines = found.map((finding, index) => {
      const saidBelow = finding.todo === found[index + 1]?.todo;
      return findingText(saidBelow ? { ...finding, todo: null } : finding, width, colour);
    });
    return [`${title}\n${lines.join("")}`];
  });
  return [...sections, paragraph({ text: conclusion(findings, exitCode), width })].join("\n");
}

function findingText({ state, text, todo }: Finding, width: number, colour: boolean): string {
  const sign = colour ? styleText(COLOURS[state], SIGNS[state], { validateStream: false }) : SIGNS[state];
  const lines = wrapped(printable(text), width - 5, "");
  const advice = todo === null ? [] : wrapped(`→ ${printable(todo)}`, width - 5, "  ");
  return [...lines, ...advice]
    .map((line, index) => `${index === 0 ? `  ${sign} ` : "     "}${line}\n`)
    .join("");
}

function conclusion(findings: readonly Finding[], exitCode: Outcome["exitCode"]): string {
  const problems = findings.reduce((sum, finding) => sum + problemsIn(finding), 0);
  if (problems === 0)
    return exitCode === 4 ? "No problem found in what could be judged; not all could." : "No problem found.";
  return `${problems} ${problems === 1 ? "problem" : "problems"} found; an arrow says what to do.`;
}
