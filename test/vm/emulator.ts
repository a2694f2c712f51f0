/** One run of QEMU on the host, from start to power-off, or to its time limit and no further. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { open, unlink } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as wait } from "node:timers/promises";

import { describeStandstill, standstill } from "./standstill.ts";

/** Where QEMU finds the guest's disk open. */
export const diskPath = "/proc/self/fd/3";

export interface Emulation {
  /** What went wrong, or null. */
  readonly problem: string | null;
  /** What is to be known of a guest whose processors stood still, which is then the problem. */
  readonly standstill: string | null;
  /** What QEMU wrote to standard error. */
  readonly messages: string;
}

/**
 * Runs QEMU with the disk, a file of `folder`, which is gone afterwards.
 *
 * @param qemu the command that starts it
 */
export async function emulate(
  folder: string,
  qemu: readonly string[],
  arguments_: readonly string[],
  timeLimitSeconds: number,
): Promise<Emulation> {
  const disk = await open(join(folder, "disk"));
  // It is large: nameless, it goes away with the processes that have it open, however they end.
  await unlink(join(folder, "disk"));
  const monitor = join(folder, "monitor");
  // The kernel ends QEMU together with this process, should that be killed.
  const child = spawn(
    "setpriv",
    [
      ["--pdeathsig", "KILL", ...qemu, ...arguments_],
      ["-monitor", `unix:${monitor},server=on,wait=off`],
    ].flat(),
    { stdio: ["ignore", "ignore", "pipe", disk.fd] },
  );
  await disk.close();
  const { pid = 0 } = child;
  const ended = once(child, "close");
  const written = child.stderr === null ? "" : text(child.stderr);
  const outcome = await outcomeOf(ended, timeLimitSeconds, (signal) => standstill(pid, monitor, signal));
  if (outcome === "ended") {
    const messages = await written;
    const problem = child.exitCode === 0 ? null : `QEMU ended with ${endingOf(child)}: ${messages.trimEnd()}`;
    return { problem, standstill: null, messages };
  }
  const isStill = outcome === "still";
  const state = await describeStandstill(pid, monitor);
  child.kill("SIGKILL");
  await ended;
  return {
    problem: isStill
      ? "the guest's processors stood still"
      : `the guest was not done within ${timeLimitSeconds} s; its CPUs:\n${state}`,
    standstill: isStill ? state : null,
    messages: await written,
  };
}

/** What comes first; the others are told to stop. */
async function outcomeOf(
  ended: Promise<unknown>,
  timeLimitSeconds: number,
  watch: (signal: AbortSignal) => Promise<void>,
): Promise<"ended" | "late" | "still"> {
  const over = new AbortController();
  const { signal } = over;
  const late = wait(timeLimitSeconds * 1000, undefined, { signal });
  const still = watch(signal);
  // They are rejected once it is over, and nobody is waiting any more.
  for (const other of [late, still]) other.catch(() => {});
  try {
    return await Promise.race([
      ended.then(() => "ended" as const),
      late.then(() => "late" as const),
      still.then(() => "still" as const),
    ]);
  } finally {
    over.abort();
  }
}

function endingOf({ exitCode, signalCode }: ChildProcess): string {
  return signalCode ?? `status ${exitCode}`;
}
