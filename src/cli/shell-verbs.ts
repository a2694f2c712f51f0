/** The verbs about the tool itself. */

import { help } from "./common-options.ts";
import type { Verb } from "../report/manual/verb.ts";

/** A text of its own, whatever the file is called. */
const scriptOutput = {
  type: "string",
  short: "o",
  value: "FILE",
  completes: "file",
  summary: "write to FILE instead of standard output (-)",
} as const;

const SHELLS = ["bash", "zsh", "fish"] as const;

export const SHELL_VERBS = {
  completion: {
    summary: "print the completion script for a shell",
    operands: [{ name: "SHELL", choices: SHELLS, summary: "bash, zsh or fish" }],
    options: { output: scriptOutput, help },
    details: [],
    examples: [
      {
        command: 'eval "$(hugebar completion bash)"',
        shows: "completion in this shell (in ~/.bashrc: in every one)",
      },
      { command: 'hugebar completion zsh > "${fpath[1]}/_hugebar"', shows: "the same for zsh" },
      {
        command: "hugebar completion fish > ~/.config/fish/completions/hugebar.fish",
        shows: "the same for fish",
      },
    ],
  },
  man: {
    summary: "print the manual page",
    operands: [],
    options: { output: scriptOutput, help },
    details: [],
    examples: [{ command: "hugebar man | man -l -", shows: "the manual, in a pager" }],
  },
  help: {
    summary: "show the help of the tool, or of a verb",
    operands: [{ name: "VERB", completes: "verb", optional: true, summary: "the verb" }],
    options: { help },
    details: [],
    examples: [],
  },
} as const satisfies Record<string, Verb>;
