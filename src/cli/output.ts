/** Where the tool writes: results to standard output or a file, messages to standard error. */

import { hostname } from "node:os";
import { hugebarError, type HugebarError } from "../errors.ts";
import type { TextLayout } from "../report/text/text-layout.ts";
import { failureInWords, isNotPermitted } from "../system/errno.ts";
import { asciiJson, asciiText, isUtf8Locale } from "./ascii.ts";
import { version } from "../version.ts";
import { checkWritable, writeWholeFile } from "./whole-file.ts";

export interface Output {
  /** Width of the terminal in columns as it is now, or what COLUMNS asks for where there is none; else 100. */
  readonly width: number;
  /** Whether lines end at `width`: on a terminal, and where COLUMNS asks for it. */
  readonly fits: boolean;
  /** Whether results may be coloured: a terminal, no NO_COLOR, no TERM=dumb. */
  readonly colour: boolean;
  /** Writes a part of the result to standard output; in ASCII where the locale is not UTF-8. */
  readonly write: (text: string) => void;
  /** Writes JSON to standard output. */
  readonly writeJson: (text: string) => void;
  /** Writes `hugebar: text` to standard error. */
  readonly message: (text: string) => void;
  /** Shows on a terminal that something takes a while, until it ends; elsewhere nothing. */
  readonly progress: (what: string) => Progress;
}

/** Something that takes a while. */
export interface Progress {
  /** It is still going on; may be called as often as one likes. */
  readonly tick: () => void;
  readonly end: () => void;
}

/** Nothing is shown of what takes less, and nothing more often. */
const PROGRESS_MILLISECONDS = 500;

/** No terminal that anybody reads tables on is narrower; one that says so gets lines of this length. */
const NARROWEST = 40;

/** This process's own standard output and error. */
export function processOutput(): Output {
  const { stdout, stderr, env } = process;
  const isUtf8 = isUtf8Locale(env);
  const asked = askedWidth(env["COLUMNS"]);
  const readable = isUtf8 ? (text: string): string => text : asciiText;
  return {
    get width() {
      // A terminal that does not tell its width says 0.
      return stdout.isTTY ? Math.max(NARROWEST, stdout.columns || 80) : (asked ?? 100);
    },
    fits: stdout.isTTY || asked !== null,
    colour: stdout.isTTY && isUnset(env["NO_COLOR"]) && env["TERM"] !== "dumb",
    write: (text) => void stdout.write(readable(text)),
    writeJson: (text) => void stdout.write(isUtf8 ? text : asciiJson(text)),
    message: (text) => void stderr.write(`hugebar: ${readable(text)}\n`),
    progress: (what) => (stderr.isTTY ? terminalProgress(what, (text) => stderr.write(text)) : NO_PROGRESS),
  };
}

/** As ps(1) and ls(1) take it; shells set it for themselves alone, so that who exports it means it. */
function askedWidth(columns: string | undefined): number | null {
  return /^[1-9]\d{0,4}$/.test(columns ?? "") ? Math.max(NARROWEST, Number(columns)) : null;
}

const NO_PROGRESS: Progress = { tick: () => undefined, end: () => undefined };

/** One line that is written over, and gone at the end. */
function terminalProgress(what: string, write: (text: string) => void): Progress {
  const started = Date.now();
  let shown = started;
  return {
    tick() {
      const now = Date.now();
      if (now - shown < PROGRESS_MILLISECONDS) return;
      shown = now;
      write(`\r\u001b[Khugebar: ${what}, ${Math.round((now - started) / 1000)} s`);
    },
    end() {
      if (shown !== started) write("\r\u001b[K");
    },
  };
}

/** `output` without messages. */
export function quietOutput(output: Output): Output {
  const { fits, colour, write, writeJson } = output;
  return {
    get width() {
      return output.width;
    },
    fits,
    colour,
    write,
    writeJson,
    message: () => undefined,
    progress: () => NO_PROGRESS,
  };
}

function isUnset(variable: string | undefined): boolean {
  return variable === undefined || variable === "";
}

/** A result in each format it can be written in; made only when asked for. */
export interface Result {
  /** What of host and time it leaves out is this machine's, now. */
  json(): object;
  text(layout: TextLayout): string;
  /** As pictures, where there is something to draw. */
  readonly svg?: () => Promise<string>;
  readonly html?: () => Promise<string>;
  /** As metrics in Prometheus' text format. */
  readonly prom?: () => Promise<string>;
}

export interface ResultOptions {
  readonly json: boolean;
  readonly output: string | undefined;
}

/**
 * Refuses, before any work is done, a file that could not be written in the end.
 *
 * @param formats the suffixes that the verb knows; null for a text of any suffix
 */
export function checkDestination(
  { json, output: path = "-" }: ResultOptions,
  formats: readonly string[] | null,
): void {
  if (path === "-") return;
  const suffix = suffixOf(path);
  if (formats !== null && json && suffix !== "json" && formats.includes(suffix)) {
    throw hugebarError("ERR_USAGE", {
      problem: `--json and --output ${path} ask for two formats: leave --json out, or name a .json file`,
    });
  }
  if (formats !== null && !json && !formats.includes(suffix)) {
    const suffixes = formats.map((format) => `.${format}`);
    throw hugebarError("ERR_ARGUMENT", {
      what: `--output ${path}`,
      problem: `its suffix names no format; use ${suffixes.slice(0, -1).join(", ")} or ${suffixes.at(-1)}`,
    });
  }
  try {
    checkWritable(path);
  } catch (error) {
    throw writeError(path, error);
  }
}

/** Writes a result as the options ask: to standard output, or to a file in the format that its suffix names. */
export async function writeResult(result: Result, options: ResultOptions, output: Output): Promise<void> {
  const { output: path = "-" } = options;
  if (path === "-") {
    if (options.json) output.writeJson(jsonText(result.json()));
    else output.write(result.text({ width: output.width, fit: output.fits, colour: output.colour }));
    return;
  }
  const plain = { width: 100, fit: false, colour: false };
  const renderers = new Map<string, () => string | Promise<string>>([
    ["json", () => jsonText(result.json())],
    ["txt", () => result.text(plain)],
  ]);
  if (result.svg !== undefined) renderers.set("svg", result.svg);
  if (result.html !== undefined) renderers.set("html", result.html);
  if (result.prom !== undefined) renderers.set("prom", result.prom);
  // checkDestination has let only these through.
  const render = renderers.get(options.json ? "json" : suffixOf(path));
  if (render !== undefined) writeFile(path, await render());
}

function suffixOf(path: string): string {
  return /\.([^./]*)$/.exec(path)?.[1] ?? "";
}

/** Writes text to the file `path`, or to standard output for `-` or none. */
export function writeText(text: string, path: string | undefined, output: Output): void {
  if (path === undefined || path === "-") output.write(text);
  else writeFile(path, text);
}

/** A document that tells which hugebar made it, of which machine, and when. */
export function jsonText(value: object): string {
  const about = {
    schemaVersion: 1,
    version: version(),
    host: hostname(),
    time: new Date().toISOString(),
  };
  return `${JSON.stringify({ ...about, ...value }, null, 2)}\n`;
}

function writeFile(path: string, text: string): void {
  try {
    writeWholeFile(path, text);
  } catch (error) {
    throw writeError(path, error);
  }
}

/** What went wrong while writing to `where`. */
export function writeError(where: string, cause: unknown): HugebarError {
  const details = { action: `write to ${where}`, problem: failureInWords(cause) };
  return hugebarError(isNotPermitted(cause) ? "ERR_PERMISSION" : "ERR_SYSTEM", details, cause);
}
