/** Finds out what a command line asks for, as far as the tool itself is concerned. */

import { unknownWord, usageError } from "./usage.ts";
import { VERBS, isVerbName, type VerbName } from "./verbs.ts";

export type Command =
  | { readonly kind: "version" }
  | { readonly kind: "help"; readonly verb: VerbName | null }
  | { readonly kind: "verb"; readonly verb: VerbName; readonly words: readonly string[] };

const HINT = "hugebar --help";

/** These may also stand before the verb, as with bpftool. */
const MOVABLE = new Set(["-j", "--json", "-q", "--quiet"]);

/** Finds the verb, or the tool's own `--help` and `--version`; what follows the verb is for `parseVerb`. */
export function parseCommand(words: readonly string[]): Command {
  const moved: string[] = [];
  for (const [index, word] of words.entries()) {
    if (word === "-V" || word === "--version") return { kind: "version" };
    if (word === "-h" || word === "--help") return { kind: "help", verb: null };
    if (MOVABLE.has(word)) {
      moved.push(word);
      continue;
    }
    if (word.startsWith("-")) throw unknownWord("option", word, ["--help", "--version"], HINT);
    if (!isVerbName(word)) throw unknownWord("verb", word, Object.keys(VERBS), HINT);
    const rest = [...moved, ...words.slice(index + 1)];
    return asksForHelp(rest) ? { kind: "help", verb: word } : { kind: "verb", verb: word, words: rest };
  }
  throw usageError(`No verb is given: see ${HINT}`);
}

/** Everything before a `--` counts: `hugebar plan --size --help` is a question, not a size. */
function asksForHelp(words: readonly string[]): boolean {
  const end = words.indexOf("--");
  return (end === -1 ? words : words.slice(0, end)).some((word) => word === "-h" || word === "--help");
}
