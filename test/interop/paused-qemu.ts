/**
 * A QEMU on this machine with vfio-user devices attached, its guest never started: what it maps and asks for while
 * it takes the devices is all there is.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";

import { memory } from "../vm/devices.ts";
import { qemuCommand } from "../vm/provision/qemu.ts";
import { Qmp } from "./qmp.ts";

export interface PausedQemu {
  readonly pid: number;
  readonly qmp: Qmp;
  /** What QEMU has written to standard error so far. */
  messages(): string;
  /** Resolves when QEMU has taken all its devices. */
  attached(): Promise<void>;
  /** Ends QEMU as its user does, or by a signal, and waits for it to be gone. A second call does nothing. */
  end(signal?: NodeJS.Signals): Promise<void>;
}

export interface PausedOptions {
  /** Where to put standard error instead of keeping it. */
  readonly stderr?: number;
  /** The machine's memory, "ram"; 64 MiB that can be passed along, if left out. */
  readonly ram?: readonly string[];
}

export function startPausedQemu(
  devices: readonly (readonly string[])[],
  { stderr, ram = memory(64, true) }: PausedOptions = {},
): PausedQemu {
  const child = spawn(
    "setpriv",
    [
      ["--pdeathsig", "KILL", ...qemuCommand("region-aligned"), "-S", "-accel", "tcg"],
      ["-machine", "q35,memory-backend=ram", ...ram],
      ["-nodefaults", "-no-user-config", "-display", "none", "-qmp", "stdio"],
      ...devices,
    ].flat(),
    { stdio: ["pipe", "pipe", stderr ?? "pipe"] },
  );
  return new Paused(child);
}

class Paused implements PausedQemu {
  readonly pid: number;
  readonly qmp: Qmp;
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  #messages = "";

  constructor(child: ChildProcess) {
    const { pid, stdin, stdout } = child;
    if (pid === undefined || stdin === null || stdout === null) throw new Error("QEMU did not start");
    this.pid = pid;
    this.qmp = new Qmp(stdout, stdin);
    this.#child = child;
    this.#ended = once(child, "exit");
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#messages += text;
    });
  }

  messages(): string {
    return this.#messages;
  }

  async attached(): Promise<void> {
    try {
      await this.qmp.execute("qmp_capabilities");
    } catch (error) {
      await this.#ended;
      throw new Error(`QEMU did not take its devices: ${this.#messages}`, { cause: error });
    }
  }

  async end(signal?: NodeJS.Signals): Promise<void> {
    const { exitCode, signalCode } = this.#child;
    if (exitCode === null && signalCode === null) {
      if (signal === undefined) await this.qmp.execute("quit");
      else this.#child.kill(signal);
    }
    await this.#ended;
  }
}
