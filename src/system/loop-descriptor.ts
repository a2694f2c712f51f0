/**
 * The descriptor that this thread's event loop waits for (libuv's epoll set): ready when the loop has something to do, so
 * that a thread which waits for a socket itself can tell when to leave off. libuv has it as `uv_backend_fd`, and Node hands
 * it to nobody; but the kernel tells which epoll set watches a socket of ours (`/proc/self/fdinfo`, proc(5)).
 */

import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { Socket } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";
import { SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_STREAM } from "./constants.ts";
import { linux } from "./libc.ts";

let found: Promise<number | null> | undefined;

/** Resolves to null where it cannot be found. */
export function loopDescriptor(): Promise<number | null> {
  found ??= find();
  return found;
}

async function find(): Promise<number | null> {
  const [near, far] = linux.socketpair(SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK);
  const probe = new Socket({ fd: near, readable: true, writable: false });
  try {
    probe.on("error", () => {});
    probe.resume();
    // The loop watches it from its next wait on.
    for (let turn = 0; turn < 3; turn += 1) await nextTurn();
    return watcherOf(near);
  } catch {
    return null;
  } finally {
    probe.destroy();
    linux.close(far);
  }
}

function watcherOf(fd: number): number | null {
  const watched = new RegExp(`^tfd:\\s+${fd} `, "m");
  for (const name of readdirSync("/proc/self/fd")) {
    try {
      if (readlinkSync(`/proc/self/fd/${name}`) !== "anon_inode:[eventpoll]") continue;
      if (watched.test(readFileSync(`/proc/self/fdinfo/${name}`, "utf8"))) return Number(name);
    } catch {
      continue; // closed meanwhile
    }
  }
  return null;
}
