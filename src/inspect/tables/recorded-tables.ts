/** What was read of a process's page tables, as a file of a recorded machine: written by `record --tables`. */

import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { hugebarError } from "../../errors.ts";
import type { ProcessReading } from "./readings.ts";

/** Below the process's folder; no /proc has it. */
export const RECORDED_TABLES = "page-tables.json";

/** 4,096 runs of some 60 bytes for each of a thousand mappings. */
const LARGEST_FILE = 256 * 1024 * 1024;

const size = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const offset = v.pipe(v.number(), v.safeInteger());
const leaf = v.pipe(size, v.minValue(1), v.maxValue(2 ** 42));
const address = v.pipe(
  v.string(),
  v.regex(/^0x[0-9a-f]{1,16}$/),
  v.transform((text) => BigInt(text)),
);
const list = <const Item extends v.GenericSchema>(item: Item) => v.pipe(v.array(item), v.maxLength(100_000));

const reading = v.variant("state", [
  v.object({
    state: v.literal("read"),
    leaves: list(v.object({ size: leaf, count: size })),
    touchedBytes: size,
    runs: v.nullable(list(v.object({ offset, leaf, count: size }))),
  }),
  v.object({ state: v.picklist(["changed", "gone", "none", "unknown"]) }),
]);

const slot = v.object({
  id: offset,
  guestAddress: address,
  size,
  hostAddress: address,
  logsDirtyPages: v.boolean(),
  readOnly: v.boolean(),
  pieces: list(v.object({ guestAddress: address, hostAddress: address, size, reading })),
});

const recorded = v.object({
  mappings: list(v.object({ address, size, reading })),
  machines: v.nullable(list(list(slot))),
});

/** The text of such a file. */
export function recordedTablesText(read: ProcessReading): string {
  const replace = (_: string, value: unknown): unknown =>
    typeof value === "bigint" ? `0x${value.toString(16)}` : value;
  return `${JSON.stringify(read, replace)}\n`;
}

/**
 * Null where nothing was recorded.
 *
 * @throws ERR_ARGUMENT when the file is not as `record` writes it
 */
export function readRecordedTables(proc: string, pid: number): ProcessReading | null {
  const path = join(proc, `${pid}/${RECORDED_TABLES}`);
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) return null;
  const isReadable = found.isFile() && found.size <= LARGEST_FILE;
  const text = isReadable ? readFileSync(path, "utf8") : "";
  const parsed = v.safeParse(recorded, parseJson(text));
  if (parsed.success) return parsed.output;
  throw hugebarError("ERR_ARGUMENT", { what: path, problem: "it is not as hugebar record writes it" });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
