/** `hugebar completion SHELL`: the completion script for a shell, made from the table of verbs. */

import { bashCompletion } from "./completion-bash.ts";
import { fishCompletion } from "./completion-fish.ts";
import { zshCompletion } from "./completion-zsh.ts";
import { writeText, type Output } from "../output.ts";
import type { Arguments } from "../verbs.ts";

export function run({ operands: [shell], options }: Arguments<"completion">, output: Output): void {
  const scripts = new Map([
    ["bash", bashCompletion],
    ["zsh", zshCompletion],
    ["fish", fishCompletion],
  ]);
  writeText(scripts.get(shell ?? "")?.() ?? "", options.output, output);
}
