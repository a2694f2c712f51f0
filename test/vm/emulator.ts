/** One run of QEMU on the host, from start to power-off, or to its time limit and no further. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { open, unlink } from "node:fs/promises";
import { createConnection } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as wait } from "node:timers/promises";

import { qemuCommand, type QemuVersion } from "./provision/qemu.ts";

/** Where QEMU finds the guest's disk open. */
export const diskPath = "/proc/self/fd/3";

/** How long QEMU may take to say where the CPUs of a guest are that was not done in time. */
const monitorMilliseconds = 2000;

export interface Emulation {
  /** What went wrong, or null. */
  readonly problem: string | null;
  /** What QEMU wrote to standard error. */
  readonly messages: string;
}

/** Runs QEMU with the disk, a file of `folder`, which is gone afterwards. */
export async function emulate(
  folder: string,
  version: QemuVersion,
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
      ["--pdeathsig", "KILL", ...qemuCommand(version), ...arguments_],
      ["-monitor", `unix:${monitor},server=on,wait=off`],
    ].flat(),
    { stdio: ["ignore", "ignore", "pipe", disk.fd] },
  );
  await disk.close();
  const ended = once(child, "close");
  const written = child.stderr === null ? "" : text(child.stderr);
  const late = await isLate(ended, timeLimitSeconds);
  if (late) {
    const registers = await askMonitor(monitor, "info registers -a");
    child.kill("SIGKILL");
    await ended;
    const problem = `the guest was not done within ${timeLimitSeconds} s; its CPUs:\n${registers}`;
    return { problem, messages: await written };
  }
  const messages = await written;
  const problem = child.exitCode === 0 ? null : `QEMU ended with ${endingOf(child)}: ${messages.trimEnd()}`;
  return { problem, messages };
}

async function isLate(ended: Promise<unknown>, timeLimitSeconds: number): Promise<boolean> {
  const timer = new AbortController();
  const late = wait(timeLimitSeconds * 1000, true, { signal: timer.signal }).catch(() => false);
  const result = await Promise.race([ended.then(() => false), late]);
  timer.abort();
  return result;
}

function endingOf({ exitCode, signalCode }: ChildProcess): string {
  return signalCode ?? `status ${exitCode}`;
}

/** What QEMU's monitor answers; a QEMU that hangs itself does not. */
async function askMonitor(path: string, command: string): Promise<string> {
  const socket = createConnection(path);
  let answer = "";
  socket.setEncoding("latin1").on("data", (part: string) => {
    answer += part;
  });
  socket.on("error", (error) => {
    answer += error.message;
  });
  socket.write(`${command}\n`);
  await wait(monitorMilliseconds);
  socket.destroy();
  return answer === "" ? "QEMU does not answer" : answer;
}
