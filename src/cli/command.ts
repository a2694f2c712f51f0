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
    const verb = verbNamed(word);
    const rest = [...moved, ...words.slice(index + 1)];
    return asksForHelp(rest) ? { kind: "help", verb } : { kind: "verb", verb, words: rest };
  }
  throw usageError(`No verb is given: see ${HINT}`);
}

/** The verb of that name, or the only one that begins so. @throws ERR_USAGE */
export function verbNamed(word: string): VerbName {
  if (isVerbName(word)) return word;
  const meant = Object.keys(VERBS)
    .filter(isVerbName)
    .filter((name) => word !== "" && name.startsWith(word));
  const [only, ...others] = meant;
  if (only !== undefined && others.length === 0) return only;
  if (only !== undefined) {
    throw usageError(`Verb ${word} could be ${meant.join(", ")}: write more of it`);
  }
  throw unknownWord("verb", word, Object.keys(VERBS), HINT);
}

/** Everything before a `--` counts: `hugebar plan --size --help` is a question, not a size. */
function asksForHelp(words: readonly string[]): boolean {
  const end = words.indexOf("--");
  return (end === -1 ? words : words.slice(0, end)).some((word) => word === "-h" || word === "--help");
}
