/**
 * A core file like `/proc/kcore`, in memory, that holds the page tables of a region in pages of 4 KiB and nothing else:
 * every entry of every table is there, as where a BAR of 256 GiB was mapped a few bytes off.
 */

import { GIB } from "../src/layout/sizes.ts";
import { createMemfd } from "../src/memory/memfd.ts";
import { linux } from "../src/system/libc.ts";

const PAGE = 4096;
const ENTRIES = 512;
/** Where memory lies, and where the region does: above it. */
const MEMORY = 2 ** 32;
const DEVICE = 2 ** 46;

export interface CoreFile {
  readonly path: string;
  /** The physical address of the root. */
  readonly root: number;
  /** How many there are in all. */
  readonly tables: number;
  close(): void;
}

/** @param size of the region, a multiple of 1 GiB and at most 512 GiB: it is mapped from address 0 on */
export function coreFile(size: number): CoreFile {
  const pages = size / PAGE;
  const last = pages / ENTRIES;
  const middle = size / GIB;
  const tables = 2 + middle + last;
  const fd = createMemfd("core", (1 + tables) * PAGE, linux);
  let at = 1;
  /** Tables of one level, each of whose entries leads to the next page from `first` on; returns where they lie. */
  const put = (count: number, entries: number, first: number, flags: number): number => {
    const words = new Uint32Array(2 * ENTRIES);
    for (let table = 0; table < count; table += 1) {
      words.fill(0);
      const here = Math.min(ENTRIES, entries - table * ENTRIES);
      for (let index = 0; index < here; index += 1) {
        const physical = first + (table * ENTRIES + index) * PAGE;
        words[2 * index] = (physical % 2 ** 32) + flags;
        words[2 * index + 1] = Math.floor(physical / 2 ** 32);
      }
      linux.pwrite(fd, new Uint8Array(words.buffer), (at + table) * PAGE);
    }
    const start = MEMORY + (at - 1) * PAGE;
    at += count;
    return start;
  };
  const leaves = put(last, pages, DEVICE, 0x67);
  const blocks = put(middle, last, leaves, 0x67);
  const gigabytes = put(1, middle, blocks, 0x67);
  const root = put(1, 1, gigabytes, 0x67);
  linux.pwrite(fd, header(tables * PAGE), 0);
  return {
    path: `/proc/${process.pid}/fd/${fd}`,
    root,
    tables,
    close: () => linux.close(fd),
  };
}

/** An ELF header and the one segment (fs/proc/kcore.c). */
function header(size: number): Uint8Array {
  const bytes = Buffer.alloc(PAGE);
  bytes.writeUInt32BE(0x7f454c46, 0);
  bytes.set([2, 1, 1], 4);
  bytes.writeBigUInt64LE(64n, 32);
  bytes.writeUInt16LE(56, 54);
  bytes.writeUInt16LE(1, 56);
  bytes.writeUInt32LE(1, 64);
  bytes.writeBigUInt64LE(BigInt(PAGE), 72);
  bytes.writeBigUInt64LE(0xffff_8880_0000_0000n + BigInt(MEMORY), 80);
  bytes.writeBigUInt64LE(BigInt(MEMORY), 88);
  bytes.writeBigUInt64LE(BigInt(size), 96);
  bytes.writeBigUInt64LE(BigInt(size), 104);
  return bytes;
}
