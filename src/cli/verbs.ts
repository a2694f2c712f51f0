/**
 * The one table of what the tool can do. The parser, `--help`, the manual page and the completion for bash, zsh and
 * fish all come from it; `run.ts` knows the file behind each verb.
 */

import { FLEET_VERBS } from "./fleet-verbs.ts";
import { MACHINE_VERBS } from "./machine-verbs.ts";
import { REGION_VERBS } from "./region-verbs.ts";
import { SHELL_VERBS } from "./shell-verbs.ts";

export const VERBS = { ...REGION_VERBS, ...MACHINE_VERBS, ...FLEET_VERBS, ...SHELL_VERBS };

export type VerbName = keyof typeof VERBS;

export function isVerbName(name: string): name is VerbName {
  return Object.hasOwn(VERBS, name);
}

type OptionsOf<Name extends VerbName> = (typeof VERBS)[Name]["options"];

type ValueOf<Option> = Option extends { readonly type: "boolean" }
  ? boolean
  : Option extends { readonly multiple: true }
    ? readonly string[]
    : Option extends { readonly choices: readonly (infer Choice)[] }
      ? Choice | undefined
      : Option extends { readonly required: true }
        ? string
        : string | undefined;

/** What the command line of a verb says: its options by name, checked, and its operands in order. */
export interface Arguments<Name extends VerbName> {
  readonly options: { readonly [Option in keyof OptionsOf<Name>]: ValueOf<OptionsOf<Name>[Option]> };
  readonly operands: readonly string[];
}
