/**
 * Reads the words after a verb against the table of verbs. `node:util`'s `parseArgs` splits them; what is wrong with
 * them is said here, with what was probably meant.
 */

import { parseArgs } from "node:util";
import { closest } from "./closest.ts";
import { unknownWord, usageError } from "./usage.ts";
import type { Verb, VerbOption } from "../report/manual/verb.ts";
import { VERBS, type Arguments, type VerbName } from "./verbs.ts";

/** Reads what follows the verb `name`; throws ERR_USAGE naming what is wrong. */
export function parseVerb<Name extends VerbName>(name: Name, words: readonly string[]): Arguments<Name> {
  const verb: Verb = VERBS[name];
  const hint = `hugebar ${name} --help`;
  const operands: string[] = [];
  const given = new Map<string, boolean | string | string[]>();

  for (const token of tokensOf(verb, words)) {
    if (token.kind === "positional") operands.push(token.value);
    if (token.kind !== "option") continue;
    const option = Object.hasOwn(verb.options, token.name) ? verb.options[token.name] : undefined;
    if (option === undefined) {
      throw unknownWord("option", token.rawName, Object.keys(verb.options).map(dashed), hint);
    }
    const value = valueOf(option, token, hint);
    const before = given.get(token.name);
    if (Array.isArray(before) && typeof value === "string") before.push(value);
    else if (option.type === "string" && option.multiple === true) given.set(token.name, [String(value)]);
    else if (option.type === "string" && before !== undefined)
      throw usageError(`${dashed(token.name)} is given twice: see ${hint}`);
    else given.set(token.name, value);
  }

  for (const [option, row] of Object.entries(verb.options)) {
    if (given.has(option)) continue;
    if (row.type === "boolean") given.set(option, false);
    else if (row.required === true) throw usageError(`--${option} ${row.value} is missing: see ${hint}`);
    else if (row.multiple === true) given.set(option, []);
  }
  checkOperands(verb, operands, hint);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- checked above against the very table the type is made from
  return { options: Object.fromEntries(given), operands } as unknown as Arguments<Name>;
}

interface OptionToken {
  readonly name: string;
  readonly rawName: string;
  readonly value?: string | undefined;
  readonly inlineValue?: boolean | undefined;
}

function tokensOf(verb: Verb, words: readonly string[]) {
  const options = Object.fromEntries(
    Object.entries(verb.options).map(([name, { type, short }]) => [
      name,
      short === undefined ? { type } : { type, short },
    ]),
  );
  return parseArgs({ args: [...words], options, strict: false, allowPositionals: true, tokens: true }).tokens;
}

function valueOf(option: VerbOption, token: OptionToken, hint: string): boolean | string {
  const { rawName, value, inlineValue } = token;
  if (option.type === "boolean") {
    if (value !== undefined) throw usageError(`${rawName} takes no value: see ${hint}`);
    return true;
  }
  // "--size --json" forgot the size, and so did a script whose variable is empty; a lone "-" is standard output.
  const isOption = inlineValue !== true && value?.startsWith("-") === true && value !== "-";
  if (value === undefined || value === "" || isOption)
    throw usageError(`${rawName} needs a value (${option.value}): see ${hint}`);
  checkChoice(rawName, value, option.choices, hint);
  return value;
}

function checkOperands(verb: Verb, operands: readonly string[], hint: string): void {
  const last = verb.operands.at(-1);
  for (const [index, value] of operands.entries()) {
    const operand = verb.operands[index] ?? (last?.repeatable === true ? last : undefined);
    if (operand === undefined) throw usageError(`Cannot make sense of "${value}": see ${hint}`);
    if (value === "") throw usageError(`${operand.name} is missing: see ${hint}`);
    checkChoice(operand.name, value, operand.choices, hint);
  }
  const missing = verb.operands.find(
    (operand, index) => operands[index] === undefined && operand.optional !== true,
  );
  if (missing !== undefined) throw usageError(`${missing.name} is missing: see ${hint}`);
}

function checkChoice(
  what: string,
  value: string,
  choices: readonly string[] | undefined,
  hint: string,
): void {
  if (choices === undefined || choices.includes(value)) return;
  const meant = closest(value, choices);
  const help = meant === null ? `it is one of ${choices.join(", ")}` : `did you mean ${meant}?`;
  throw usageError(`${what} cannot be "${value}": ${help}${meant === null ? `: see ${hint}` : ""}`);
}

function dashed(name: string): string {
  return `--${name}`;
}
