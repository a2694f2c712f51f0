/**
 * Writes to sysfs, and loading of modules, by a child process: the kernel can let such a call wait for ever, for a
 * program to close a file, in a way that no signal ends. This process then tells so and ends; the child stays until the
 * kernel lets it go.
 */

import { spawn, type ChildProcess } from "node:child_process";
import { constants } from "node:os";
import { failureInWords } from "../../system/errno.ts";
import { programOf } from "../../system/own-modules.ts";
import { SystemCallError } from "../../system/system.ts";

/** How the machine is changed. */
export interface Hands {
  /** One `write` of the value. Rejects with a `SystemCallError`, a `WriterLost` or a `StillWaiting`. */
  write(path: string, value: string): Promise<void>;
  /** `modprobe`; false where it does not succeed. */
  load(module: string): Promise<boolean>;
}

/** A call that has not come back within its time. */
export class StillWaiting extends Error {
  /** The process that waits; null where it could be ended. */
  readonly pid: number | null;
  readonly seconds: number;

  constructor(pid: number | null, seconds: number) {
    super(`still waiting after ${seconds} s`);
    this.name = "StillWaiting";
    this.pid = pid;
    this.seconds = seconds;
  }
}

/** The child came to an end of its own, by the memory killer or another's signal: it may have written or not. */
export class WriterLost extends Error {
  constructor(how: string) {
    super(`the process that makes the write ${how}`);
    this.name = "WriterLost";
  }
}

/** Long enough for a large card with virtual functions to be taken down; a program that holds on does so for ever. */
const TIME_LIMIT_SECONDS = 30;
/** How long a program may take to start on a busy machine, and a module to load. */
const START_LIMIT_SECONDS = 120;
/** How long a killed child is given to go: one that waits in the kernel does not. */
const GRACE_SECONDS = 1;

export function childHands(timeLimitSeconds = TIME_LIMIT_SECONDS): Hands {
  return {
    async write(path, value) {
      const { status, how, output } = await runChild(
        process.execPath,
        [...programOf(import.meta.url, "attribute-writer"), path, value],
        timeLimitSeconds,
      );
      if (status !== 0) throw writeFailure(output) ?? new WriterLost(how);
    },
    async load(module) {
      // Where a user has no /sbin in the path.
      const env = { ...process.env, PATH: `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin` };
      const { status } = await runChild("modprobe", ["--", module], START_LIMIT_SECONDS, env);
      return status === 0;
    },
  };
}

interface ChildResult {
  /** Null where it could not be started, or was ended by a signal. */
  readonly status: number | null;
  /** Its end, behind "the process": `was ended by SIGKILL`. */
  readonly how: string;
  readonly output: string;
}

function runChild(
  command: string,
  words: readonly string[],
  seconds: number,
  env: NodeJS.ProcessEnv = process.env,
): Promise<ChildResult> {
  const { NODE_OPTIONS: _, ...environment } = env;
  const notStarted = (error: unknown): ChildResult => ({
    status: null,
    how: `could not be started: ${failureInWords(error)}`,
    output: "",
  });
  let child: ReturnType<typeof start>;
  try {
    child = start(command, words, environment);
  } catch (error) {
    // Want of memory is thrown; other failures come as an event.
    return Promise.resolve(notStarted(error));
  }
  return new Promise((resolve, reject) => {
    let output = "";
    child.stdout.setEncoding("utf8");
    let isGivenUp = false;
    const giveUp = (): void => {
      isGivenUp = true;
      void abandon(child, seconds).then(reject);
    };
    let timer = setTimeout(giveUp, START_LIMIT_SECONDS * 1000);
    child.stdout.on("data", (text: string) => {
      // Its time counts from the line by which it says that it is there.
      if (output === "" && !isGivenUp) {
        clearTimeout(timer);
        timer = setTimeout(giveUp, seconds * 1000);
      }
      output += text;
    });
    child.once("error", (error) => {
      clearTimeout(timer);
      resolve(notStarted(error));
    });
    child.once("close", (status, signal) => {
      clearTimeout(timer);
      const how = signal === null ? `ended with exit code ${status}` : `was ended by ${signal}`;
      if (!isGivenUp) resolve({ status, how, output });
    });
  });
}

/** In a group of its own: the terminal's Ctrl-C asks this process, which puts back what was begun. */
function start(command: string, words: readonly string[], env: NodeJS.ProcessEnv) {
  return spawn(command, words, { detached: true, stdio: ["ignore", "pipe", "ignore"], env });
}

/** Kills the child; one that the kernel does not let go is left to it, and no longer waited for. */
async function abandon(child: ChildProcess, seconds: number): Promise<StillWaiting> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  child.once("exit", () => {
    resolve(true);
  });
  setTimeout(() => {
    resolve(false);
  }, GRACE_SECONDS * 1000).unref();
  child.kill("SIGKILL");
  const isGone = await promise;
  child.unref();
  child.stdout?.destroy();
  return new StillWaiting(isGone ? null : (child.pid ?? null), seconds);
}

/** What the child says of its failure; null where it could say nothing. */
function writeFailure(output: string): SystemCallError | null {
  const call = /"syscall":"(\w+)"/.exec(output)?.[1];
  const code = /"code":"(\w+)"/.exec(output)?.[1];
  const errno = Object.entries(constants.errno).find(([name]) => name === code)?.[1];
  return call === undefined || errno === undefined ? null : new SystemCallError(call, errno);
}
