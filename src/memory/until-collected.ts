/**
 * Tells when no buffer over closed memory is in use any more.
 *
 * The collector's own word is not enough: a buffer that was carried off into another (byte streams do that) is collected
 * while that other lives. So every buffer is held, and let go for the time of one collection alone, in which no code runs
 * that could carry one off: what is gone after it was not carried off before it.
 */

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** A buffer given out; `strong` is null for the time of a collection. */
interface Held {
  strong: ArrayBuffer | null;
  readonly weak: WeakRef<ArrayBuffer>;
}

interface Waiting {
  held: Held[];
  /** To be called once. @param carriedOff something is in use for good, or may be */
  readonly over: (carriedOff: boolean) => void;
}

const waiting = new Set<Waiting>();

/** Our own collections take at most this share of the time: after one, so many times as long passes before the next. */
const PAUSES = 20;
let notBefore = 0;
let armed = false;

/** So many wait for the collector's own accord; then it is called, and next when there are twice as many as it left. */
const MANY = 4096;
let enough = MANY;

/** Objects die here when the collector has been at work of its own accord: then it is worth looking. */
const collections = new FinalizationRegistry<null>(() => {
  armed = false;
  look();
});

/**
 * Waits for all of the buffers.
 *
 * @param over called in a turn of its own; never where the collector cannot be called
 */
export function untilCollected(buffers: Iterable<ArrayBuffer>, over: (carriedOff: boolean) => void): void {
  // Weak references keep what they refer to until this turn ends, so they are made in one before the collection's.
  const held = Array.from(buffers, (strong): Held => ({ strong, weak: new WeakRef(strong) }));
  waiting.add({ held, over });
  arm();
  if (waiting.size === enough) setImmediate(lookNow).unref();
}

function arm(): void {
  if (armed) return;
  armed = true;
  collections.register({}, null);
}

function look(): void {
  if (performance.now() >= notBefore) lookNow();
  else arm();
}

function lookNow(): void {
  const collect = collector();
  if (collect === null) return;
  const start = performance.now();
  letGoAndCollect(collect);
  const end = performance.now();
  notBefore = end + PAUSES * (end - start);
  enough = Math.max(MANY, 2 * waiting.size);
  if (waiting.size > 0) arm();
}

function letGoAndCollect(collect: () => void): void {
  for (const each of waiting) {
    if (each.held.some(({ strong }) => strong?.detached === true)) end(each, true);
    else for (const held of each.held) held.strong = null;
  }
  collect();
  for (const each of waiting) {
    for (const held of each.held) held.strong = held.weak.deref() ?? null;
    each.held = each.held.filter(({ strong }) => strong !== null);
    if (each.held.length === 0) end(each, false);
  }
}

function end(each: Waiting, carriedOff: boolean): void {
  waiting.delete(each);
  each.over(carriedOff);
}

let known: (() => void) | null = null;

/** V8's own `gc`; null where it does not give it. */
function collector(): (() => void) | null {
  if (known !== null) return known;
  let gc = gcOfNewContext();
  if (typeof gc !== "function") {
    setFlagsFromString("--expose-gc");
    gc = gcOfNewContext();
    setFlagsFromString("--no-expose-gc");
  }
  if (typeof gc !== "function") return null;
  const call = gc;
  known = () => void Reflect.apply(call, undefined, []);
  return known;
}

/** Contexts have it that are made while the flag stands. */
function gcOfNewContext(): unknown {
  return runInNewContext("globalThis.gc");
}
