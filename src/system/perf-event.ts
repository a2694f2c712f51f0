/** Perf events: linux/perf_event.h, under its names; and the ring of records that the kernel writes. */

import { struct } from "./struct.ts";

export const PERF_TYPE_SOFTWARE = 1;
export const PERF_COUNT_SW_PAGE_FAULTS = 2n;
export const PERF_SAMPLE_ADDR = 1n << 3n;
export const PERF_FLAG_FD_CLOEXEC = 1 << 3;
export const PERF_RECORD_LOST = 2;
export const PERF_RECORD_SAMPLE = 9;

/** Bits of the field that C declares as one: `exclude_kernel`, which an ordinary user must set, and `exclude_hv`. */
export const EXCLUDE_KERNEL = 1n << 5n;
export const EXCLUDE_HV = 1n << 6n;

/** `struct perf_event_attr` as of its first version, PERF_ATTR_SIZE_VER0, which every kernel takes. */
export const PERF_EVENT_ATTR = struct({
  type: "u32",
  size: "u32",
  config: "u64",
  sample_period: "u64",
  sample_type: "u64",
  read_format: "u64",
  flags: "u64",
  wakeup_events: "u32",
  bp_type: "u32",
  config1: "u64",
});

/** In `struct perf_event_mmap_page`, the first page: how far the kernel has written, and how far it was read. */
const DATA_HEAD = 1024;
const DATA_TAIL = 1032;
/** `struct perf_event_header`: type, flags, size. */
const HEADER_SIZE = 8;

/** What was read of the ring. */
export interface PerfSamples {
  /** Of each PERF_RECORD_SAMPLE with PERF_SAMPLE_ADDR alone. */
  readonly addresses: readonly bigint[];
  /** Records were dropped, because the ring was full. */
  readonly lost: boolean;
}

/**
 * Reads what the kernel has written since the last time.
 *
 * @param ring one page for bookkeeping, then a power of two of pages for records
 */
export function readRing(ring: ArrayBuffer, pageSize: number): PerfSamples {
  const places = new BigUint64Array(ring, 0, pageSize / 8);
  const records = new DataView(ring, pageSize);
  const size = BigInt(records.byteLength);
  // Ordered before what it announces; the store of the tail after all that was read (perf_event.h, data_head).
  const head = Atomics.load(places, DATA_HEAD / 8);
  let tail = Atomics.load(places, DATA_TAIL / 8);
  const addresses: bigint[] = [];
  let lost = false;
  while (tail < head) {
    const at = Number(tail % size);
    const type = records.getUint32(at, true);
    const length = records.getUint16(at + 6, true);
    // Records are multiples of 8 bytes, so that a word never wraps round the ring's end.
    if (type === PERF_RECORD_SAMPLE) {
      addresses.push(records.getBigUint64(Number((tail + BigInt(HEADER_SIZE)) % size), true));
    } else if (type === PERF_RECORD_LOST) {
      lost = true;
    }
    if (length < HEADER_SIZE) {
      lost = true; // No record is so short: nothing behind it can be read.
      tail = head;
      break;
    }
    tail += BigInt(length);
  }
  Atomics.store(places, DATA_TAIL / 8, tail);
  return { addresses, lost };
}
