/** Runs one command line: finds the verb, loads its file and no other, and turns how it ended into an exit code. */

import { HugebarError } from "../errors.ts";
import type { Command } from "./command.ts";
import { checkDestination, processOutput, quietOutput, writeError, type Output } from "./output.ts";
import { outputErrorCode } from "./signals.ts";
import type { Verb } from "../report/manual/verb.ts";
import type { Arguments, VerbName } from "./verbs.ts";
import { version } from "../version.ts";

/** What the file of a verb exports. Its number, where it gives one, is the exit code. */
interface VerbModule<Name extends VerbName> {
  run(args: Arguments<Name>, output: Output): number | void | Promise<number | void>;
}

const FILES: { readonly [Name in VerbName]: () => Promise<VerbModule<Name>> } = {
  demo: () => import("./verbs/demo.ts"),
  plan: () => import("./verbs/plan.ts"),
  map: () => import("./verbs/map.ts"),
  conform: () => import("./verbs/conform.ts"),
  serve: () => import("./verbs/serve.ts"),
  devices: () => import("./verbs/devices.ts"),
  bind: () => import("./verbs/bind.ts"),
  trace: () => import("./verbs/trace.ts"),
  unbind: () => import("./verbs/unbind.ts"),
  inspect: () => import("./verbs/inspect.ts"),
  record: () => import("./verbs/record.ts"),
  exporter: () => import("./verbs/exporter.ts"),
  completion: () => import("./completion/completion.ts"),
  man: () => import("./verbs/man.ts"),
  doctor: () => import("./verbs/doctor.ts"),
  help: () => import("./verbs/help.ts"),
};

/** Runs the tool with the words of a command line; sets `process.exitCode`. */
export async function runTool(words: readonly string[]): Promise<void> {
  const output = processOutput();
  const course: Course = { failure: 1 };
  endWithOutput(output, course);
  process.on("uncaughtException", (error) => process.exit(report(error, output, course)));
  try {
    process.exitCode = await run(words, output, course);
  } catch (error) {
    process.exitCode = report(error, output, course);
  }
}

/** What is known of a run while it goes on. */
interface Course {
  /** The exit code of a failure that has none of its own: 6 where 1 says that something falls short. */
  failure: 1 | 6;
}

async function run(words: readonly string[], output: Output, course: Course): Promise<number> {
  // The version alone needs no table of verbs: scripts ask for it, and wait for it.
  const command: Command = isVersion(words[0])
    ? { kind: "version" }
    : (await import("./command.ts")).parseCommand(words);
  switch (command.kind) {
    case "version":
      output.write(`hugebar ${version()}\n`);
      return 0;
    case "help": {
      const { writeHelp } = await import("./verbs/help.ts");
      writeHelp(command.verb, output);
      return 0;
    }
    case "verb":
      return runVerb(command.verb, command.words, output, course);
  }
}

// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- it ties the verb's file to the verb's arguments
async function runVerb<Name extends VerbName>(
  name: Name,
  words: readonly string[],
  output: Output,
  course: Course,
): Promise<number> {
  const { parseVerb } = await import("./arguments.ts");
  const { VERBS } = await import("./verbs.ts");
  const verb: Verb = VERBS[name];
  const args = parseVerb(name, words);
  const given: Readonly<Record<string, unknown>> = args.options;
  if (verb.judges === true || (verb.judges !== undefined && given[verb.judges] === true)) course.failure = 6;
  if (typeof given["output"] === "string") {
    const formats = verb.options["output"]?.type === "string" ? verb.options["output"].formats : undefined;
    checkDestination({ json: given["json"] === true, output: given["output"] }, formats ?? null);
  }
  const file = await FILES[name]();
  const quiet = "quiet" in args.options && args.options.quiet === true;
  return (await file.run(args, quiet ? quietOutput(output) : output)) ?? 0;
}

function isVersion(word: string | undefined): boolean {
  return word === "--version" || word === "-V";
}

/** Says what went wrong, in one line, and returns the exit code. HUGEBAR_DEBUG=1 adds the stack. */
function report(error: unknown, output: Output, { failure }: Course): number {
  const debug = (process.env["HUGEBAR_DEBUG"] ?? "") !== "";
  if (error instanceof HugebarError) {
    output.message(error.message);
    if (debug) output.message(inspectError(error));
    return error.exitCode === 1 ? failure : error.exitCode;
  }
  const what = String(error).replaceAll(/\s*\n\s*/g, " ");
  output.message(
    `Unexpected error, a bug in hugebar: ${what}${debug ? "" : " (HUGEBAR_DEBUG=1 shows where)"}`,
  );
  if (debug) output.message(inspectError(error));
  return failure;
}

/** The stack of an error and of its causes. */
function inspectError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const stack = error.stack ?? error.message;
  return error.cause === undefined ? stack : `${stack}\nCaused by: ${inspectError(error.cause)}`;
}

/** A reader that has enough (`hugebar plan … | head -1`) ends the tool quietly; any other failure to write is said. */
function endWithOutput(output: Output, course: Course): void {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") report(writeError("standard output", error), output, course);
    // A verb that holds something waits for this, too, and gives it back first (signals.ts).
    if (process.stdout.listenerCount("error") === 1)
      process.exit(error.code === "EPIPE" ? outputErrorCode(error) : course.failure);
  });
  process.stderr.on("error", () => undefined);
}
