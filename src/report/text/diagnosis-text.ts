/** A machine's diagnosis as one page of text. */

import { styleText } from "node:util";
import type { Diagnosis, Finding } from "../../inspect/doctor.ts";
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

export function diagnosisText({ findings }: Diagnosis, { width, colour }: TextLayout): string {
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
  return [...sections, paragraph({ text: conclusion(findings), width })].join("\n");
}

function findingText({ state, text, todo }: Finding, width: number, colour: boolean): string {
  const sign = colour ? styleText(COLOURS[state], SIGNS[state], { validateStream: false }) : SIGNS[state];
  const lines = wrapped(printable(text), width - 5, "");
  const advice = todo === null ? [] : wrapped(`→ ${printable(todo)}`, width - 5, "  ");
  return [...lines, ...advice]
    .map((line, index) => `${index === 0 ? `  ${sign} ` : "     "}${line}\n`)
    .join("");
}

function conclusion(findings: readonly Finding[]): string {
  const problems = findings.filter(({ state }) => state === "problem").length;
  if (problems === 0) return "No problem found.";
  return `${problems} ${problems === 1 ? "problem" : "problems"} found; an arrow says what to do.`;
}
