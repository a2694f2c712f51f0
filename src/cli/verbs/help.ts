/** `hugebar help [VERB]`, which is `hugebar VERB --help` too. */

import { toolHelp, verbHelp } from "../../report/manual/help-text.ts";
import { parseCommand } from "../command.ts";
import type { Output } from "../output.ts";
import { VERBS, type Arguments, type VerbName } from "../verbs.ts";

export function run({ operands: [word] }: Arguments<"help">, output: Output): void {
  const command = word === undefined ? null : parseCommand([word]);
  writeHelp(command?.kind === "verb" ? command.verb : null, output);
}

/** @param verb null for the tool's own help */
export function writeHelp(verb: VerbName | null, output: Output): void {
  const { width } = output;
  output.write(verb === null ? toolHelp(VERBS, width) : verbHelp(verb, VERBS[verb], width));
}
