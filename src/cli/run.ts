/** Runs one command line: finds the verb, loads its file and no other, and turns how it ended into an exit code. */

import { readFileSync } from "node:fs";
import { constants } from "node:os";
import { HugebarError } from "../errors.ts";
import { parseCommand } from "./command.ts";
import { processOutput, quietOutput, writeError, type Output } from "./output.ts";
import type { Arguments, VerbName } from "./verbs.ts";

/** What the file of a verb exports. Its number, where it gives one, is the exit code. */
interface VerbModule<Name extends VerbName> {
  run(args: Arguments<Name>, output: Output): number | void | Promise<number | void>;
}

const FILES: { readonly [Name in VerbName]: () => Promise<VerbModule<Name>> } = {
  devices: () => import("./devices.ts"),
  bind: () => import("./bind.ts"),
  unbind: () => import("./unbind.ts"),
  completion: () => import("./completion.ts"),
  help: () => import("./help.ts"),
  inspect: () => import("./inspect.ts"),
  man: () => import("./man.ts"),
  plan: () => import("./plan.ts"),
  record: () => import("./record.ts"),
};

/** Runs the tool with the words of a command line; sets `process.exitCode`. */
export async function runTool(words: readonly string[]): Promise<void> {
  const output = processOutput();
  endQuietlyOnBrokenPipe(output);
  try {
    process.exitCode = await run(words, output);
  } catch (error) {
    process.exitCode = report(error, output);
  }
}

async function run(words: readonly string[], output: Output): Promise<number> {
  const command = parseCommand(words);
  switch (command.kind) {
    case "version":
      output.write(`hugebar ${version()}\n`);
      return 0;
    case "help": {
      const { toolHelp, verbHelp } = await import("./help.ts");
      output.write(command.verb === null ? toolHelp() : verbHelp(command.verb));
      return 0;
    }
    case "verb":
      return runVerb(command.verb, command.words, output);
  }
}

// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- it ties the verb's file to the verb's arguments
async function runVerb<Name extends VerbName>(
  name: Name,
  words: readonly string[],
  output: Output,
): Promise<number> {
  const { parseVerb } = await import("./arguments.ts");
  const args = parseVerb(name, words);
  const file = await FILES[name]();
  const quiet = "quiet" in args.options && args.options.quiet === true;
  return (await file.run(args, quiet ? quietOutput(output) : output)) ?? 0;
}

function version(): string {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  const content: unknown = JSON.parse(text);
  const isPackage = typeof content === "object" && content !== null && "version" in content;
  return isPackage ? String(content.version) : "of an unknown version";
}

/** Says what went wrong, in one line, and returns the exit code. HUGEBAR_DEBUG=1 adds the stack. */
function report(error: unknown, output: Output): number {
  const debug = (process.env["HUGEBAR_DEBUG"] ?? "") !== "";
  if (error instanceof HugebarError) {
    output.message(error.message);
    if (debug) output.message(inspectError(error));
    return error.exitCode;
  }
  const what = String(error).replaceAll(/\s*\n\s*/g, " ");
  output.message(
    `Unexpected error, a bug in hugebar: ${what}${debug ? "" : " (HUGEBAR_DEBUG=1 shows where)"}`,
  );
  if (debug) output.message(inspectError(error));
  return 1;
}

/** The stack of an error and of its causes. */
function inspectError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const stack = error.stack ?? error.message;
  return error.cause === undefined ? stack : `${stack}\nCaused by: ${inspectError(error.cause)}`;
}

/**
 * A reader that has enough (`hugebar plan … | head -1`) ends the tool as SIGPIPE would end a C program; any other
 * failure to write is an error. Node ignores SIGPIPE, so both arrive here.
 */
function endQuietlyOnBrokenPipe(output: Output): void {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(128 + constants.signals.SIGPIPE);
    process.exit(report(writeError("standard output", error), output));
  });
  process.stderr.on("error", () => undefined);
}
