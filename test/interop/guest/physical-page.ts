/** A page of this process's memory, and where it is in the machine's. */

import { closeSync, openSync, readSync } from "node:fs";
import type { TestContext } from "node:test";

import { MAP_ANONYMOUS, MAP_PRIVATE, PROT_READ, PROT_WRITE } from "../../../src/system/constants.ts";
import { linux } from "../../../src/system/libc.ts";

export interface Page {
  /** Its address in this process. */
  readonly address: bigint;
  readonly bytes: Uint8Array;
}

export function newPages(t: TestContext, count: number): Page {
  const size = count * linux.pageSize;
  const address = linux.mmap(0n, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  t.after(() => linux.munmap(address, size));
  return { address, bytes: new Uint8Array(linux.view(address, size)) };
}

/** The physical address of a page that has been touched (Documentation/admin-guide/mm/pagemap.rst). */
export function physicalAddressOf({ address }: Page): bigint {
  const pageSize = BigInt(linux.pageSize);
  const entry = new BigUint64Array(1);
  const pagemap = openSync("/proc/self/pagemap", "r");
  readSync(pagemap, entry, 0, 8, (address / pageSize) * 8n);
  closeSync(pagemap);
  const [bits = 0n] = entry;
  if (bits >> 63n === 0n) throw new Error("the page is not in memory");
  return (bits & ((1n << 55n) - 1n)) * pageSize;
}
