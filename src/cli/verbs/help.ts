/** The text of `--help`, made from the table of verbs. */

import type { Operand, Verb, VerbOption } from "../../report/manual/verb.ts";
import { VERBS, type Arguments, type VerbName } from "../verbs.ts";
import { parseCommand } from "../command.ts";
import type { Output } from "../output.ts";

/** `hugebar help [VERB]` */
export function run({ operands: [verb] }: Arguments<"help">, output: Output): void {
  const command = verb === undefined ? null : parseCommand([verb]);
  output.write(command?.kind === "verb" ? verbHelp(command.verb, output.width) : toolHelp(output.width));
}

export function toolHelp(width: number): string {
  const verbs = Object.entries(VERBS).map(([name, { summary }]) => [name, summary] as const);
  return joined([
    wrapped(
      "hugebar maps the memory of PCI devices so that the kernel can use huge pages, and proves it.",
      "",
      width,
    ),
    "Usage: hugebar VERB [OPTION]...",
    section("Verbs", verbs, width),
    section(
      "Options",
      [
        ["-h, --help", "show this help, or with a verb the verb's, and exit"],
        ["-V, --version", "show the version and exit"],
      ],
      width,
    ),
    section("Exit codes", EXIT_CODES, width),
    wrapped("hugebar VERB --help tells more about a verb; hugebar demo is a good start.", "", width),
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

export function verbHelp(name: VerbName, width: number): string {
  const verb: Verb = VERBS[name];
  const operands = verb.operands.map((operand) => [operand.name, operandSummary(operand)] as const);
  const options = Object.entries(verb.options).map(
    ([option, row]) => [optionForm(option, row), optionSummary(row)] as const,
  );
  return joined([
    wrapped(`hugebar ${name}: ${verb.summary}`, "  ", width),
    wrapped(`Usage: ${usageOf(name)}`, "  ", width),
    ...(operands.length === 0 ? [] : [section("Operands", operands, width)]),
    section("Options", options, width),
    ...verb.details.map((paragraph) => wrapped(paragraph, "", width)),
    ...(verb.examples.length === 0 ? [] : [examples(verb, width)]),
  ]);
}

/** `hugebar plan --size SIZE [OPTION]...` */
export function usageOf(name: VerbName): string {
  const verb: Verb = VERBS[name];
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

function operandSummary(operand: Operand): string {
  return operand.summary;
}

function examples(verb: Verb, width: number): string {
  const shown = verb.examples.map(
    ({ command, shows }) => `  ${command}\n      ${wrapped(shows, "      ", width)}`,
  );
  return ["Examples:", ...shown].join("\n");
}

/** Beside the names where there is room for it, else below them. */
function section(title: string, rows: readonly (readonly [string, string])[], width: number): string {
  const column = Math.max(...rows.map(([name]) => name.length));
  const isNarrow = width < column + 4 + NARROWEST_TEXT;
  const indent = " ".repeat(isNarrow ? 6 : column + 4);
  return [
    `${title}:`,
    ...rows.map(([name, text]) => {
      const summary = wrapped(text, indent, width);
      return isNarrow ? `  ${name}\n${indent}${summary}` : `  ${name.padEnd(column)}  ${summary}`;
    }),
  ].join("\n");
}

const NARROWEST_TEXT = 24;

/** Breaks text into lines of at most `width` columns, all but the first indented; so is the first, by what it follows. */
function wrapped(text: string, indent: string, width: number): string {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && indent.length + line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  return [...lines, line].join(`\n${indent}`);
}

function joined(parts: readonly string[]): string {
  return `${parts.join("\n\n")}\n`;
}
