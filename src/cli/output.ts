/** Where the tool writes: results to standard output or a file, messages to standard error. */

import { writeFileSync } from "node:fs";
import { hugebarError, type HugebarError } from "../errors.ts";

export interface Output {
  /** Width of the terminal in columns, 40 at least; 100 where there is none. */
  readonly width: number;
  /** Whether results may be coloured: a terminal, no NO_COLOR, no TERM=dumb. */
  readonly colour: boolean;
  /** Writes a part of the result to standard output. */
  write(text: string): void;
  /** Writes `hugebar: text` to standard error. */
  message(text: string): void;
}

/** This process's own standard output and error. */
export function processOutput(): Output {
  const { stdout, stderr } = process;
  return {
    // A terminal that does not tell its width says 0.
    width: stdout.isTTY ? Math.max(40, stdout.columns || 80) : 100,
    colour: stdout.isTTY && isUnset(process.env["NO_COLOR"]) && process.env["TERM"] !== "dumb",
    write: (text) => void stdout.write(text),
    message: (text) => void stderr.write(`hugebar: ${text}\n`),
  };
}

/** `output` without messages. */
export function quietOutput(output: Output): Output {
  return { ...output, message: () => undefined };
}

function isUnset(variable: string | undefined): boolean {
  return variable === undefined || variable === "";
}

/** A result in each format it can be written in; made only when asked for. */
export interface Result {
  json(): unknown;
  text(width: number, colour: boolean): string;
  /** As pictures, where there is something to draw. */
  readonly svg?: () => Promise<string>;
  readonly html?: () => Promise<string>;
}

export interface ResultOptions {
  readonly json: boolean;
  readonly output: string | undefined;
}

/** Writes a result as the options ask: to standard output, or to a file in the format that its suffix names. */
export async function writeResult(result: Result, options: ResultOptions, output: Output): Promise<void> {
  const { output: path = "-" } = options;
  if (path === "-") {
    output.write(options.json ? jsonText(result) : result.text(output.width, output.colour));
    return;
  }
  const renderers = renderersOf(result);
  const render = options.json ? renderers.json : renderers[suffixOf(path)];
  if (render === undefined) {
    const suffixes = Object.keys(renderers).map((suffix) => `.${suffix}`);
    throw hugebarError("ERR_ARGUMENT", {
      what: `--output ${path}`,
      problem: `its suffix names no format; use ${suffixes.slice(0, -1).join(", ")} or ${suffixes.at(-1)}`,
    });
  }
  writeFile(path, await render());
}

/** What makes the text of each format that the result has, by the suffix of the file. */
function renderersOf(
  result: Result,
): Readonly<Record<string, () => string | Promise<string>>> & { json: () => string } {
  const { svg, html } = result;
  return {
    json: () => jsonText(result),
    ...(svg === undefined ? {} : { svg }),
    ...(html === undefined ? {} : { html }),
    txt: () => result.text(100, false),
  };
}

function suffixOf(path: string): string {
  return path.slice(path.lastIndexOf(".") + 1);
}

/** Writes text to the file `path`, or to standard output for `-` or none. */
export function writeText(text: string, path: string | undefined, output: Output): void {
  if (path === undefined || path === "-") output.write(text);
  else writeFile(path, text);
}

function jsonText(result: Result): string {
  return `${JSON.stringify(result.json(), null, 2)}\n`;
}

function writeFile(path: string, text: string): void {
  try {
    writeFileSync(path, text);
  } catch (error) {
    throw writeError(path, error);
  }
}

/** What went wrong while writing to `where`. */
export function writeError(where: string, cause: unknown): HugebarError {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : String(cause);
  return hugebarError("ERR_SYSTEM", { action: `write to ${where}`, problem: code }, cause);
}
