/** This process's own mappings, as the kernel lists them. */

import { readFileSync } from "node:fs";

/** Whether one mapping of this process reaches over all of `start` to `end`; false also where /proc cannot tell. */
export function isOneMapping(start: bigint, end: bigint): boolean {
  let maps: string;
  try {
    maps = readFileSync("/proc/self/maps", "latin1");
  } catch {
    return false;
  }
  return maps.split("\n").some((line) => {
    const [, from, to] = /^([0-9a-f]+)-([0-9a-f]+) /.exec(line) ?? [];
    return from !== undefined && to !== undefined && BigInt(`0x${from}`) <= start && BigInt(`0x${to}`) >= end;
  });
}
