/** QEMU's control socket: commands as lines of JSON, and their answers (docs/interop/qmp-spec.rst of QEMU). */

import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";

import * as v from "valibot";

const answer = v.union([
  v.object({ return: v.unknown() }),
  v.object({ error: v.object({ class: v.string(), desc: v.string() }) }),
]);
const event = v.object({ event: v.string(), data: v.optional(v.unknown()) });
const greeting = v.object({ QMP: v.unknown() });

export type QmpEvent = v.InferOutput<typeof event>;

interface Waiting {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

export class Qmp {
  readonly events: QmpEvent[] = [];
  readonly #commands: Writable;
  /** Commands without an answer yet; QEMU answers in their order. */
  readonly #waiting: Waiting[] = [];
  #ended = false;

  constructor(answers: Readable, commands: Writable) {
    this.#commands = commands;
    const lines = createInterface({ input: answers });
    lines.on("line", (line) => this.#take(JSON.parse(line)));
    lines.on("close", () => this.#end());
    // QEMU may be gone by the time a command is written: its answers end then, which says so.
    commands.on("error", () => {});
  }

  /** Carries out a command and gives what it returns; QEMU's refusal is thrown. The first must be qmp_capabilities. */
  execute(command: string, arguments_: object = {}): Promise<unknown> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    if (this.#ended) reject(new Error(`QEMU is gone before ${command}`));
    this.#waiting.push({
      resolve,
      reject: (error) => reject(new Error(`${command}: ${error.message}`, { cause: error })),
    });
    this.#commands.write(`${JSON.stringify({ execute: command, arguments: arguments_ })}\n`);
    return promise;
  }

  #take(message: unknown): void {
    if (v.is(greeting, message)) return;
    if (v.is(event, message)) {
      this.events.push(message);
      return;
    }
    const taken = v.parse(answer, message);
    const waiting = this.#waiting.shift();
    if ("return" in taken) waiting?.resolve(taken.return);
    else waiting?.reject(new Error(taken.error.desc));
  }

  #end(): void {
    this.#ended = true;
    for (const waiting of this.#waiting.splice(0))
      waiting.reject(new Error("QEMU is gone without an answer"));
  }
}
