/** The text of `--help`, made from the table of verbs. */

import { wrapped } from "../text/wrapped.ts";
import type { Verb, VerbOption, Verbs } from "./verb.ts";

/** `hugebar --help` */
export function toolHelp(verbs: Verbs, width: number): string {
  const summaries = Object.entries(verbs).map(([name, { summary }]) => [name, summary] as const);
  return joined([
    lines(
      "hugebar maps the memory of PCI devices so that the kernel can use huge pages, and proves it.",
      width,
    ),
    "Usage: hugebar VERB [OPTION]...",
    section("Verbs", summaries, width),
    section(
      "Options",
      [
        ["-h, --help", "show this help, or with a verb the verb's, and exit"],
        ["-V, --version", "show the version and exit"],
      ],
      width,
    ),
    section("Exit codes", EXIT_CODES, width),
    lines("hugebar VERB --help tells more about a verb; hugebar demo is a good start.", width),
  ]);
}

/** What the tool's exit codes mean. */
export const EXIT_CODES = [
  ["0", "done"],
  ["1", "failed"],
  ["2", "the command line makes no sense"],
  ["3", "no such device or process"],
  ["4", "not permitted"],
  ["5", "busy, or not viable"],
  ["6", "failed, where 1 says that something falls short (inspect --check, doctor, map --verify)"],
  ["128+n", "ended by signal n"],
] as const;

/** `hugebar VERB --help` */
export function verbHelp(name: string, verb: Verb, width: number): string {
  const operands = verb.operands.map((operand) => [operand.name, operand.summary] as const);
  const options = Object.entries(verb.options).map(
    ([option, row]) => [optionForm(option, row), optionSummary(row)] as const,
  );
  return joined([
    lines(`hugebar ${name}: ${verb.summary}`, width, "  "),
    lines(`Usage: ${usageOf(name, verb)}`, width, "  "),
    ...(operands.length === 0 ? [] : [section("Operands", operands, width)]),
    section("Options", options, width),
    ...verb.details.map((paragraph) => lines(paragraph, width)),
    ...(verb.examples.length === 0 ? [] : [examples(verb, width)]),
  ]);
}

/** `hugebar plan --size SIZE [OPTION]...` */
export function usageOf(name: string, verb: Verb): string {
  const required = Object.entries(verb.options).flatMap(([option, row]) =>
    row.type === "string" && row.required === true ? [`--${option} ${row.value}`] : [],
  );
  const operands = verb.operands.map(({ name, optional, repeatable }) => {
    const form = repeatable === true ? `${name}...` : name;
    return optional === true ? `[${form}]` : form;
  });
  const rest = Object.keys(verb.options).length > required.length + 1 ? ["[OPTION]..."] : [];
  return ["hugebar", name, ...operands, ...required, ...rest].join(" ");
}

/** `-o, --output FILE` */
export function optionForm(name: string, option: VerbOption): string {
  const short = option.short === undefined ? "    " : `-${option.short}, `;
  return `${short}--${name}${option.type === "string" ? ` ${option.value}` : ""}`;
}

export function optionSummary(option: VerbOption): string {
  if (option.type === "boolean") return option.summary;
  const choices = option.choices === undefined ? "" : ` (${option.choices.join(", ")})`;
  return `${option.summary}${choices}${option.multiple === true ? "; repeatable" : ""}`;
}

function examples(verb: Verb, width: number): string {
  const shown = verb.examples.map(
    ({ command, shows }) => `${commandLines(command, width)}\n${lines(`      ${shows}`, width, "      ")}`,
  );
  return ["Examples:", ...shown].join("\n");
}

/** A command, to be copied whole: the shell takes a line that ends with a backslash and the next for one. */
function commandLines(command: string, width: number): string {
  const all: string[] = [];
  let line = " ";
  const words = command.split(" ");
  for (const [index, word] of words.entries()) {
    const isLast = index === words.length - 1;
    if (line.length + 1 + word.length <= (isLast ? width : width - 2) || index === 0) {
      line = `${line} ${word}`;
      continue;
    }
    all.push(`${line} \\`);
    line = `      ${word}`;
    // Inside a word no blank may follow, so what is left of it begins its line.
    while (line.length > width) {
      all.push(`${line.slice(0, width - 1)}\\`);
      line = line.slice(width - 1);
    }
  }
  return [...all, line].join("\n");
}

/** Beside the names where there is room for it, else below them. */
function section(title: string, rows: readonly (readonly [string, string])[], width: number): string {
  const column = Math.max(...rows.map(([name]) => name.length));
  const isNarrow = width < column + 4 + NARROWEST_TEXT;
  const indent = " ".repeat(isNarrow ? 6 : column + 4);
  return [
    `${title}:`,
    ...rows.map(([name, text]) =>
      isNarrow
        ? `${lines(`  ${name}`, width, "    ")}\n${lines(`${indent}${text}`, width, indent)}`
        : lines(`  ${name.padEnd(column)}  ${text}`, width, indent),
    ),
  ].join("\n");
}

const NARROWEST_TEXT = 24;

function lines(text: string, width: number, indent = ""): string {
  return wrapped(text, width, indent).join("\n");
}

function joined(parts: readonly string[]): string {
  return `${parts.join("\n\n")}\n`;
}
