/** An exporter that a test has started. */

import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { TestContext } from "node:test";

export interface RunningExporter {
  readonly child: ChildProcess;
  /** `http://127.0.0.1:PORT` */
  readonly address: string;
}

/**
 * Starts it over a machine; resolves when it listens.
 *
 * @param start starts the tool with such words
 * @param roots the folder of a recorded machine; null for the live one
 */
export async function startExporter(
  t: TestContext,
  start: (words: readonly string[]) => ChildProcess,
  roots: string | null,
  ...options: string[]
): Promise<RunningExporter> {
  const words = roots === null ? [] : ["--proc", join(roots, "proc"), "--sys", join(roots, "sys")];
  const listen = options.includes("--listen") ? [] : ["--listen", "127.0.0.1:0"];
  const child = start(["exporter", ...words, ...listen, ...options]);
  t.after(() => child.kill("SIGKILL"));
  assert.ok(child.stderr !== null);
  const line = String(await once(child.stderr.setEncoding("utf8"), "data"));
  const address = /listening at (\S+)/.exec(line)?.[1];
  assert.ok(address !== undefined, line);
  return { child, address };
}
