/** Counts the faults that processes take on VFIO mappings, while they take them. */

import { closeSync, constants, openSync, readSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Probe } from "./fault-probes.ts";
import { processOfThread } from "../proc/process.ts";
import { GUEST_TRACEPOINT, guestLeafCounter, type Bar, type GuestLeafCount } from "./guest-leaves.ts";
import { faultCounter, type FaultCount } from "./trace-events.ts";
import { holdInstance } from "./held-instance.ts";
import { lostEvents, type TracedEvents } from "./trace-instance.ts";

/** A trace under way. */
export interface Trace<Count = FaultCount> {
  /** What has been counted so far. */
  counts(): readonly Count[];
  /** Faults that happened and are not counted: more came at once than fit into the buffer. */
  lost(): number;
  /** Reads what has come since, for at most some tens of milliseconds. Call it often: the buffer is small. */
  read(): void;
  /** Stops, and removes everything it made in the kernel. A second call does nothing. */
  stop(): Promise<void>;
}

/** For each CPU, in KiB: some 40,000 faults between two readings. */
const BUFFER_KIB = 2048;
const READ_MILLISECONDS = 40;

/** What takes the text of a trace. */
interface Counter<Count> {
  /** Takes a piece of it, which may end in the middle of a line. */
  take(text: string): void;
  counts(): readonly Count[];
  readonly uncounted: number;
}

/**
 * Traces faults on this machine.
 *
 * @param root where tracefs is, see `findTracefs`
 * @param proc where the processes are
 * @throws ERR_NOT_SUPPORTED, ERR_PERMISSION
 */
export function startTrace(
  root: string,
  proc: string,
  probes: readonly Probe[],
  bufferKib = BUFFER_KIB,
): Promise<Trace> {
  const counter = faultCounter((tid) => processOfThread(proc, tid));
  return follow(root, { probes, tracepoints: [], bufferKib }, counter);
}

/**
 * Traces the leaves that KVM lays in second stages over device memory.
 *
 * @param root, proc as `startTrace` takes them
 * @param bars where device memory is
 * @throws ERR_NOT_SUPPORTED, ERR_PERMISSION
 */
export function startGuestTrace(
  root: string,
  proc: string,
  bars: readonly Bar[],
): Promise<Trace<GuestLeafCount>> {
  const counter = guestLeafCounter(bars, (tid) => processOfThread(proc, tid));
  return follow(root, { probes: [], tracepoints: [GUEST_TRACEPOINT], bufferKib: BUFFER_KIB }, counter);
}

async function follow<Count>(
  root: string,
  events: TracedEvents,
  counter: Counter<Count>,
): Promise<Trace<Count>> {
  const { name, release } = await holdInstance(root, events);
  let pipe: number;
  try {
    pipe = openSync(join(root, "instances", name, "trace_pipe"), constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    await release();
    throw error;
  }

  const buffer = Buffer.allocUnsafeSlow(64 * 1024);
  let lost = 0;
  let stopped = false;
  const readUntil = (end: number): void => {
    do {
      const bytes = readAvailable(pipe, buffer);
      if (bytes === 0) break;
      counter.take(buffer.toString("latin1", 0, bytes));
    } while (performance.now() < end);
    lost = lostEvents(root, name);
  };
  return {
    counts: () => counter.counts(),
    lost: () => lost + counter.uncounted,
    read() {
      if (!stopped) readUntil(performance.now() + READ_MILLISECONDS);
    },
    async stop() {
      if (stopped) return;
      stopped = true;
      try {
        // Nothing new from here on, so all that is left can be read.
        writeFileSync(join(root, "instances", name, "tracing_on"), "0");
        readUntil(Infinity);
      } finally {
        closeSync(pipe);
        await release();
      }
    },
  };
}

/** 0 where there is nothing to read at the moment. */
function readAvailable(fd: number, buffer: Buffer): number {
  try {
    return readSync(fd, buffer, 0, buffer.length, null);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EAGAIN") return 0;
    throw error;
  }
}
