import { readFileSync } from "node:fs";

/** A line of /proc/PID/maps. */
export interface MapsLine {
  readonly start: bigint;
  readonly end: bigint;
  readonly permissions: string;
  readonly path: string;
}

export function readMaps(pid: number): MapsLine[] {
  return readFileSync(`/proc/${pid}/maps`, "utf8")
    .split("\n")
    .flatMap((line) => {
      const found = /^([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \S+ *(.*)$/.exec(line);
      if (found === null) return [];
      const [, start = "", end = "", permissions = "", path = ""] = found;
      return [{ start: BigInt(`0x${start}`), end: BigInt(`0x${end}`), permissions, path }];
    });
}
