/**
 * Devices of workers. A thread that is terminated runs no code any more: its files end with it (`tieToThread`), and its
 * mappings would stay in the process, with nobody to tell. So a worker says to the thread that made it what its devices
 * have mapped, and that one gives it back when the worker has ended. It must have loaded hugebar before it made the worker.
 */

import {
  BroadcastChannel,
  isMainThread,
  receiveMessageOnPort,
  threadId,
  type Worker,
} from "node:worker_threads";
import { linux } from "../system/libc.ts";
import { attempt, warnNotClosed } from "./not-closed.ts";

const CHANNEL = "hugebar:devices of workers";

/** What a worker says of one of its devices; it numbers them, and the mappings of each. */
interface Letter {
  readonly thread: number;
  readonly device: number;
  readonly said: "opened" | "mapped" | "unmapping" | "closed";
  /** With `opened`. */
  readonly name?: string;
  readonly where?: string;
  /** With `mapped` and `unmapping`. */
  readonly mapping?: number;
  /** With `mapped`. */
  readonly areas?: readonly Range[];
}

interface Range {
  readonly address: bigint;
  readonly size: number;
}

/** How a worker tells of one of its devices. */
export interface DeviceTeller {
  /** @returns to be called before it is unmapped, or leaves its owner */
  mapped(areas: readonly Range[]): () => void;
  closed(): void;
}

let outgoing: BroadcastChannel | null = null;
let devices = 0;

/** Null in the main thread, which ends with the process. */
export function tellOfDevice(name: string, where: string): DeviceTeller | null {
  if (isMainThread) return null;
  if (outgoing === null) {
    outgoing = new BroadcastChannel(CHANNEL);
    outgoing.unref();
  }
  const channel = outgoing;
  devices += 1;
  const device = devices;
  const tell = (letter: Omit<Letter, "thread" | "device">): void =>
    channel.postMessage({ ...letter, thread: threadId, device } satisfies Letter);
  let mappings = 0;
  tell({ said: "opened", name, where });
  return {
    mapped(areas) {
      mappings += 1;
      const mapping = mappings;
      tell({ said: "mapped", mapping, areas: areas.map(({ address, size }) => ({ address, size })) });
      return () => tell({ said: "unmapping", mapping });
    },
    closed: () => tell({ said: "closed" }),
  };
}

/** What is known of a device in another thread. */
interface HeldThere {
  readonly name: string;
  readonly where: string;
  readonly mappings: Map<number, readonly Range[]>;
}

/** By thread, then by device. */
const held = new Map<number, Map<number, HeldThere>>();
let incoming: BroadcastChannel | null = null;

// Once the worker has been made there is no other way to hear of its end.
process.on("worker", watch);

function watch(worker: Worker): void {
  const { threadId: thread } = worker;
  held.set(thread, new Map());
  const channel = (incoming ??= listen());
  worker.once("exit", () => {
    // What it said last may come after its end.
    for (let letter = next(channel); letter !== undefined; letter = next(channel)) take(letter);
    giveBack(thread);
    if (held.size > 0) return;
    channel.close();
    incoming = null;
  });
}

function listen(): BroadcastChannel {
  const channel = new BroadcastChannel(CHANNEL);
  channel.unref();
  channel.onmessage = (event: unknown) => take(Reflect.get(Object(event), "data"));
  return channel;
}

/** The types of Node know that of ports alone. */
function next(channel: BroadcastChannel): unknown {
  const received: unknown = Reflect.apply(receiveMessageOnPort, undefined, [channel]);
  return received === undefined ? undefined : Reflect.get(Object(received), "message");
}

function take(letter: unknown): void {
  if (!isLetter(letter)) return;
  const { thread, device, said, name = "", where = "", mapping = 0, areas = [] } = letter;
  // Every thread with workers hears all of them.
  const there = held.get(thread);
  switch (said) {
    case "opened":
      there?.set(device, { name, where, mappings: new Map() });
      break;
    case "mapped":
      there?.get(device)?.mappings.set(mapping, areas);
      break;
    case "unmapping":
      there?.get(device)?.mappings.delete(mapping);
      break;
    case "closed":
      there?.delete(device);
  }
}

/** Whoever knows the channel's name may write to it; that our own code writes nothing else is a matter of this file. */
function isLetter(letter: unknown): letter is Letter {
  return typeof letter === "object" && letter !== null && "said" in letter && "thread" in letter;
}

function giveBack(thread: number): void {
  for (const { name, where, mappings } of held.get(thread)?.values() ?? []) {
    for (const { address, size } of [...mappings.values()].flat()) attempt(() => linux.munmap(address, size));
    warnNotClosed(`Device ${name} was not closed when its worker ended`, where);
  }
  held.delete(thread);
}
