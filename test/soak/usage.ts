/** What this process holds, its garbage collected first. */

import { readdirSync, readFileSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import koffi from "koffi";

/** Gives the kernel what malloc keeps of memory that was freed: how much that is says how much was held once, at most. */
const trim = koffi.load(null).func("int malloc_trim(size_t pad)");

export interface Usage {
  /** Bytes of JavaScript's heap in use. */
  readonly heap: number;
  /** Bytes of memory outside that heap. */
  readonly native: number;
  readonly descriptors: number;
  readonly vmas: number;
}

export interface BothEnds {
  readonly client: Usage;
  readonly server: Usage;
}

export function usage(): Usage {
  collectGarbage();
  trim(0);
  const { heapUsed, heapTotal } = process.memoryUsage();
  const anonymous = /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
  return {
    heap: heapUsed,
    native: Number(anonymous) * 1024 - heapTotal,
    descriptors: readdirSync("/proc/self/fd").length,
    vmas: readFileSync("/proc/self/maps", "utf8").split("\n").length - 1,
  };
}

/** V8 gives its `gc` to contexts that are made after it was told to. */
function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  runInNewContext("gc()");
}
