/**
 * A pipe for a process's standard error that can be made to take nothing more: whoever then writes to it waits, and can
 * be looked at meanwhile.
 */

import { execFileSync } from "node:child_process";
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";

import { MIB } from "../../src/layout/sizes.ts";
import { until } from "./until.ts";

export class HeldPipe {
  /** For the process, which waits in `write`. */
  readonly writer: number;
  readonly #end: number;

  constructor(t: TestContext) {
    const folder = mkdtempSync(join(tmpdir(), "hugebar-test-"));
    const path = join(folder, "pipe");
    execFileSync("mkfifo", [path]);
    this.#end = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
    this.writer = openSync(path, constants.O_WRONLY);
    t.after(() => {
      closeSync(this.#end);
      closeSync(this.writer);
      rmSync(folder, { recursive: true });
    });
  }

  fill(): void {
    for (const piece of ["\n".repeat(4096), "\n"]) while (this.#takes(piece));
  }

  drain(): string {
    const bytes = Buffer.alloc(2 * MIB);
    return bytes.toString(
      "utf8",
      0,
      orNothing(() => readSync(this.#end, bytes)),
    );
  }

  /** Reads what comes after all that was filled in, until it is like `pattern`. */
  async until(pattern: RegExp): Promise<void> {
    let text = "";
    await until(`${pattern} in what was written`, () => {
      text += this.drain();
      return pattern.test(text);
    });
  }

  #takes(piece: string): boolean {
    return orNothing(() => writeSync(this.#end, piece)) > 0;
  }
}

/** How many bytes went through a pipe that may be full, or empty. */
function orNothing(transfer: () => number): number {
  try {
    return transfer();
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EAGAIN") return 0;
    throw error;
  }
}
