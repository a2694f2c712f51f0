/** For tests: what this process has mapped and opened, and whether an action changes it. */

import assert from "node:assert/strict";
import { closeSync, openSync, readdirSync, readFileSync, readSync } from "node:fs";

/** One line of `/proc/self/maps`. */
export interface MapsLine {
  readonly start: bigint;
  readonly end: bigint;
  readonly permissions: string;
  readonly offset: number;
  readonly path: string;
}

export function readMaps(): string {
  return readFileSync("/proc/self/maps", "latin1");
}

export function mapsLines(): MapsLine[] {
  return readMaps()
    .trimEnd()
    .split("\n")
    .map((line) => {
      const [range = "", permissions = "", offset = "", , , ...path] = line.split(/ +/);
      const [start = "", end = ""] = range.split("-");
      return {
        start: BigInt(`0x${start}`),
        end: BigInt(`0x${end}`),
        permissions,
        offset: Number.parseInt(offset, 16),
        path: path.join(" "),
      };
    });
}

/** V8 and malloc map memory of their own now and then; what `action` leaves behind, it leaves behind each time. */
const ATTEMPTS = 50;
const before = Buffer.alloc(2 ** 20);
const after = Buffer.alloc(2 ** 20);

/** Holds that `action` leaves `/proc/self/maps`, byte for byte, and `/proc/self/fd` as they were. */
export function assertLeavesNothing(action: () => unknown): void {
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const openBefore = readdirSync("/proc/self/fd");
    const sizeBefore = readMapsInto(before);
    action();
    const sizeAfter = readMapsInto(after);
    assert.deepEqual(readdirSync("/proc/self/fd"), openBefore);
    if (before.subarray(0, sizeBefore).equals(after.subarray(0, sizeAfter))) return;
    if (attempt === ATTEMPTS - 1)
      failWithChange(before.toString("latin1", 0, sizeBefore), after.toString("latin1", 0, sizeAfter));
  }
}

/** Into memory that is there already: reading must not change what is read. */
function readMapsInto(buffer: Buffer): number {
  const fd = openSync("/proc/self/maps", "r");
  let size = 0;
  for (let read = -1; read !== 0; size += read) read = readSync(fd, buffer, size, buffer.length - size, null);
  closeSync(fd);
  assert.ok(size < buffer.length);
  return size;
}

function failWithChange(before: string, after: string): never {
  const [old, now] = [before.split("\n"), after.split("\n")];
  const gone = old.filter((line) => !now.includes(line)).map((line) => `- ${line}`);
  const come = now.filter((line) => !old.includes(line)).map((line) => `+ ${line}`);
  return assert.fail(`/proc/self/maps changed:\n${[...gone, ...come].join("\n")}`);
}
