/** The manual page, in the man macros of roff, made from the table of verbs. */

import { EXIT_CODES, optionSummary, usageOf } from "./help-text.ts";
import type { Verb, Verbs } from "./verb.ts";

export function manualPage(table: Verbs): string {
  const verbs = Object.entries(table);
  return [
    `.TH HUGEBAR 1 "" hugebar "User Commands"`,
    ".SH NAME",
    String.raw`hugebar \- map the memory of PCI devices with huge pages, and prove it`,
    ".SH SYNOPSIS",
    ...verbs.flatMap(([name, verb], index) => [...(index === 0 ? [] : [".br"]), bold(usageOf(name, verb))]),
    ".SH DESCRIPTION",
    text(
      "hugebar maps the memory of PCI devices (VFIO regions) so that the Linux kernel can use huge pages, proves that it did, and plans, serves and compares such mappings.",
    ),
    ".PP",
    text(
      "Results go to standard output, messages to standard error. Results are coloured on a terminal only, and not where NO_COLOR is set.",
    ),
    ".SH VERBS",
    ...verbs.flatMap(([name, verb]) => verbSection(name, verb)),
    ".SH EXIT STATUS",
    ...EXIT_CODES.flatMap(([code, meaning]) => [".TP", bold(code), text(meaning)]),
    ".SH ENVIRONMENT",
    ".TP",
    bold("COLUMNS"),
    text("where lines end that do not go to a terminal, which tells its width itself; 40 at least"),
    ".TP",
    bold("NO_COLOR"),
    text("no colours, if set and not empty"),
    ".TP",
    bold("HUGEBAR_DEBUG"),
    text("errors with their stack, if set and not empty"),
    "",
  ].join("\n");
}

function verbSection(name: string, verb: Verb): string[] {
  return [
    `.SS ${text(usageOf(name, verb))}`,
    text(capitalized(verb.summary)) + ".",
    ...verb.details.flatMap((paragraph) => [".PP", text(paragraph)]),
    ...verb.operands.flatMap((operand) => [".TP", italic(operand.name), text(operand.summary)]),
    ...Object.entries(verb.options).flatMap(([option, row]) => {
      const names = [...(row.short === undefined ? [] : [`-${row.short}`]), `--${option}`]
        .map(bold)
        .join(", ");
      return [
        ".TP",
        row.type === "string" ? `${names} ${italic(row.value)}` : names,
        text(optionSummary(row)),
      ];
    }),
    ...verb.examples.flatMap(({ command, shows }) => [
      ".PP",
      text(capitalized(shows)) + ":",
      ".PP",
      ".EX",
      `    ${text(command)}`,
      ".EE",
    ]),
  ];
}

function bold(words: string): string {
  return String.raw`\fB${text(words)}\fR`;
}

function italic(words: string): string {
  return String.raw`\fI${text(words)}\fR`;
}

/** Escapes what roff would read as its own: backslashes, minus signs, quotes, and a dot that starts a line. */
function text(words: string): string {
  return words
    .replaceAll("\\", String.raw`\e`)
    .replaceAll("-", String.raw`\-`)
    .replaceAll("'", String.raw`\(aq`)
    .replaceAll("~", String.raw`\(ti`)
    .replace(/^\./, String.raw`\&.`);
}

function capitalized(words: string): string {
  return words.charAt(0).toUpperCase() + words.slice(1);
}
