/**
 * The programs that the rows need, started and asked for samples: C peers, compiled here, and hugebar's own programs.
 * Without a compiler there are no peers.
 */

import { spawn, spawnSync, type ChildProcessByStdio } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import type { Side } from "./pairs.ts";

type PeerProcess = ChildProcessByStdio<Writable, Readable, null>;

/** Compiles and runs the programs of `bench/peers/`. */
export class Peers {
  /** The compiler's own name for itself; null where there is none. */
  readonly compiler: string | null;
  readonly #command: string;
  readonly #folder = mkdtempSync(join(tmpdir(), "hugebar-bench-"));
  readonly #compiled = new Map<string, string>();
  readonly #running: Peer[] = [];
  #sockets = 0;

  /** @param command how the compiler is called */
  constructor(command = process.env["CC"] ?? "cc") {
    this.#command = command;
    const { status, stdout } = spawnSync(command, ["--version"], { encoding: "utf8" });
    this.compiler = status === 0 ? (stdout.split("\n")[0] ?? command) : null;
  }

  /** Starts `bench/peers/NAME.c`; null where it cannot be compiled for want of a compiler. */
  async start(name: string, args: readonly (string | number)[] = []): Promise<Peer | null> {
    return this.compiler === null ? null : this.#run(name, this.#compile(name), args.map(String));
  }

  /** Starts `bench/NAME.ts`, which keeps to the peers' ways: `ready` on its output, and an end with its input. */
  async startOwn(name: string, args: readonly string[] = []): Promise<Peer> {
    const module = fileURLToPath(new URL(`./${name}.ts`, import.meta.url));
    return this.#run(name, process.execPath, [module, ...args]);
  }

  /** A path for a socket that nobody uses yet. */
  socketPath(): string {
    this.#sockets += 1;
    return join(this.#folder, `${this.#sockets}.sock`);
  }

  async #run(name: string, program: string, args: readonly string[]): Promise<Peer> {
    const peer = new Peer(name, spawn(program, args, { stdio: ["pipe", "pipe", "inherit"] }));
    this.#running.push(peer);
    await peer.ready();
    return peer;
  }

  /** Ends what was started. */
  async stop(): Promise<void> {
    await Promise.all(this.#running.splice(0).map((peer) => peer.stop()));
  }

  async close(): Promise<void> {
    await this.stop();
    rmSync(this.#folder, { recursive: true });
  }

  #compile(name: string): string {
    const known = this.#compiled.get(name);
    if (known !== undefined) return known;
    const source = fileURLToPath(new URL(`./peers/${name}.c`, import.meta.url));
    const program = join(this.#folder, name);
    const { status } = spawnSync(
      this.#command,
      ["-O2", "-pthread", "-Wall", "-Wextra", "-o", program, source],
      {
        stdio: ["ignore", "inherit", "inherit"],
      },
    );
    if (status !== 0) throw new Error(`${this.#command} could not compile ${source}`);
    this.#compiled.set(name, program);
    return program;
  }
}

/** A running peer. */
export class Peer {
  readonly #name: string;
  readonly #child: PeerProcess;
  readonly #lines: AsyncIterator<string, unknown>;

  constructor(name: string, child: PeerProcess) {
    this.#name = name;
    this.#child = child;
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  }

  get pid(): number {
    const { pid } = this.#child;
    if (pid === undefined) throw new Error(`peer ${this.#name} did not start`);
    return pid;
  }

  /** Resolves once it is set up. */
  async ready(): Promise<void> {
    const line = await this.#line();
    if (line !== "ready")
      throw new Error(`peer ${this.#name} said ${JSON.stringify(line)}, not that it is ready`);
  }

  /** As a side of a comparison. */
  readonly sample: Side = async (count) => {
    this.#child.stdin.write(`${count}\n`);
    const line = await this.#line();
    const nanoseconds = Number(line);
    if (line === "" || !Number.isSafeInteger(nanoseconds)) throw new Error(`peer ${this.#name} said ${line}`);
    return nanoseconds;
  };

  /** Closes its standard input, at whose end it exits. */
  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.stdin.end();
    await exited;
  }

  async #line(): Promise<string> {
    const { done, value } = await this.#lines.next();
    if (done === true) throw new Error(`peer ${this.#name} ended before its sample`);
    return value;
  }
}
