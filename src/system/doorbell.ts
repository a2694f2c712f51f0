/**
 * Waiting for descriptors without blocking the event loop and without taking CPU: Node itself can wait for its own
 * sockets and files only (libuv's uv_poll is not exposed), and its sockets drop the descriptors passed along. So one
 * small worker per thread waits in epoll_wait for all that is watched there, and rings when something is ready.
 */

import { setImmediate as nextTurn } from "node:timers/promises";
import type { Worker } from "node:worker_threads";
import {
  EFD_CLOEXEC,
  EPOLL_CLOEXEC,
  EPOLL_CTL_ADD,
  EPOLL_CTL_DEL,
  EPOLL_CTL_MOD,
  EPOLLIN,
  EPOLLONESHOT,
} from "./constants.ts";
import { hugebarError } from "../errors.ts";
import { linux } from "./libc.ts";
import { startThread } from "./own-modules.ts";
import { SystemCallError } from "./system.ts";

/** A descriptor that is watched until `close`. */
export interface Watch {
  /** Rings once when one of `events` (EPOLLIN, EPOLLOUT) has come, or the other side has hung up. */
  arm(events: number): void;
  /** Ends the watch; must come before the descriptor is closed. Resolves when nothing of it is left. */
  close(): Promise<void>;
}

/** The token of the descriptor that ends the worker. */
export const STOP_TOKEN = 0;

/** @internal What the worker is started with. */
export interface DoorbellData {
  readonly epoll: number;
  /** Becomes 1 when the worker has loaded the C library. */
  readonly loaded: Int32Array;
}

/** Longest wait, when the process exits, for a worker that is only just starting. */
const START_MILLISECONDS = 5000;

/** This thread's doorbell, while anything is watched: workers are too dear for one per descriptor. */
let current: Doorbell | null = null;

export interface WatchOptions {
  /** Whether the watch keeps this thread's event loop alive; true if left out. */
  readonly keepAlive?: boolean;
}

/**
 * Watches `fd`, not armed yet; `onRing` is called in this thread's event loop. What it throws is the process's uncaught
 * exception, and keeps nobody else from being rung.
 *
 * @throws ERR_SYSTEM where the kernel refuses: too many files are open, or watched.
 */
export function watchDescriptor(
  fd: number,
  onRing: () => void,
  { keepAlive = true }: WatchOptions = {},
): Watch {
  const { doorbell, token } = refusedBySystem(() => enter(fd, { onRing, keepAlive }));
  return {
    arm(events) {
      refusedBySystem(() => doorbell.arm(fd, token, events));
    },
    async close() {
      if (!doorbell.remove(fd, token)) return;
      // What is watched before the event loop has its turn goes on with this worker: starting one takes 50 ms, and koffi
      // never gives back the memory for its calls (3 MiB of address space, some 30 KiB of it in use).
      await nextTurn();
      if (!doorbell.idle) return;
      if (current === doorbell) current = null;
      await doorbell.stop();
    },
  };
}

function enter(fd: number, watched: Watched): { doorbell: Doorbell; token: number } {
  current ??= new Doorbell();
  const doorbell = current;
  try {
    return { doorbell, token: doorbell.add(fd, watched) };
  } catch (error) {
    if (doorbell.idle) {
      current = null;
      void doorbell.stop();
    }
    throw error;
  }
}

function refusedBySystem<Result>(call: () => Result): Result {
  try {
    return call();
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error;
    const details = { action: "wait for a descriptor", problem: error.message };
    throw hugebarError("ERR_SYSTEM", details, error);
  }
}

interface Watched {
  readonly onRing: () => void;
  readonly keepAlive: boolean;
}

/** Only those that are ready are named, once: one that throws must not silence the others of its batch. */
function ring(watched: Watched | undefined): void {
  try {
    watched?.onRing();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

function openBoth(): { epoll: number; stop: number } {
  const epoll = linux.epoll_create1(EPOLL_CLOEXEC);
  try {
    return { epoll, stop: linux.eventfd(0, EFD_CLOEXEC) };
  } catch (error) {
    linux.close(epoll);
    throw error;
  }
}

class Doorbell {
  readonly #epoll: number;
  readonly #stop: number;
  readonly #watched = new Map<number, Watched>();
  readonly #worker: Worker;
  readonly #ended: Promise<void>;
  readonly #loaded = new Int32Array(new SharedArrayBuffer(4));
  readonly #onExit = () => this.#stopAtExit();
  #stopping: Promise<void> | null = null;
  #lastToken = STOP_TOKEN;

  constructor() {
    const { epoll, stop } = openBoth();
    this.#epoll = epoll;
    this.#stop = stop;
    linux.epoll_ctl(this.#epoll, EPOLL_CTL_ADD, this.#stop, EPOLLIN, STOP_TOKEN);
    this.#worker = startThread(import.meta.url, "doorbell-worker", {
      name: "hugebar-doorbell",
      workerData: { epoll: this.#epoll, loaded: this.#loaded } satisfies DoorbellData,
    });
    this.#worker.on("message", (tokens: readonly number[]) => {
      for (const token of tokens) ring(this.#watched.get(token));
    });
    this.#ended = new Promise((resolve) => {
      this.#worker.once("exit", () => resolve());
    });
    process.once("exit", this.#onExit);
  }

  /** Nothing is watched. */
  get idle(): boolean {
    return this.#watched.size === 0;
  }

  add(fd: number, watched: Watched): number {
    this.#lastToken += 1;
    const token = this.#lastToken;
    // No events: only a hang-up could ring, which EPOLLONESHOT keeps from ringing again and again.
    linux.epoll_ctl(this.#epoll, EPOLL_CTL_ADD, fd, EPOLLONESHOT, token);
    this.#watched.set(token, watched);
    this.#keepAlive();
    return token;
  }

  arm(fd: number, token: number, events: number): void {
    if (this.#watched.has(token)) {
      linux.epoll_ctl(this.#epoll, EPOLL_CTL_MOD, fd, events | EPOLLONESHOT, token);
    }
  }

  /** Tells whether that was the last one. */
  remove(fd: number, token: number): boolean {
    if (!this.#watched.delete(token)) return false;
    linux.epoll_ctl(this.#epoll, EPOLL_CTL_DEL, fd, 0, token);
    this.#keepAlive();
    return this.idle;
  }

  #keepAlive(): void {
    const needed = [...this.#watched.values()].some(({ keepAlive }) => keepAlive);
    if (needed) this.#worker.ref();
    else this.#worker.unref();
  }

  /** Resolves when nothing of it is left, also for whoever asks a second time. */
  stop(): Promise<void> {
    this.#stopping ??= this.#end();
    return this.#stopping;
  }

  async #end(): Promise<void> {
    // Whoever waits for its end waits while nothing else is left to wait for.
    this.#worker.ref();
    this.#ringStop();
    await this.#ended;
    process.off("exit", this.#onExit);
    linux.close(this.#stop);
    linux.close(this.#epoll);
  }

  /**
   * Node waits for its workers before it exits, and cannot interrupt epoll_wait. Nor may it end one that is loading
   * koffi: that aborts the whole process.
   */
  #stopAtExit(): void {
    Atomics.wait(this.#loaded, 0, 0, START_MILLISECONDS);
    this.#ringStop();
  }

  #ringStop(): void {
    linux.write(this.#stop, new Uint8Array(new BigUint64Array([1n]).buffer));
  }
}
