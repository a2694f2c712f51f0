import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MIB } from "../layout/sizes.ts";
import * as c from "../system/constants.ts";
import {
  minorFaultsIn,
  openMinorFaults,
  parseMinorFaults,
  parseVmPte,
  readMemoryCounters,
} from "./counters.ts";
import { linux } from "../system/libc.ts";

describe("readMemoryCounters", () => {
  it("counts the faults and the page tables of touching memory", () => {
    const pages = 4096;
    const flags = c.MAP_PRIVATE | c.MAP_ANONYMOUS | c.MAP_NORESERVE;
    const size = pages * linux.pageSize;
    const address = linux.mmap(0n, size, c.PROT_READ | c.PROT_WRITE, flags, -1, 0);
    linux.madvise(address, size, c.MADV_NOHUGEPAGE);
    const view = linux.view(address, size);
    const bytes = new Uint8Array(view);
    const before = readMemoryCounters();
    for (let at = 0; at < size; at += linux.pageSize) bytes[at] = 1;
    const after = readMemoryCounters();
    linux.detach(view);
    linux.munmap(address, size);

    const faults = after.minorFaults - before.minorFaults;
    assert.ok(faults >= pages && faults < pages + 1000, `${faults} faults`);
    const tables = after.vmPteBytes - before.vmPteBytes;
    // One table, a page of 8-byte entries, for each pageSize / 8 pages: eight of them with 4 KiB pages.
    const least = Math.floor(pages / (linux.pageSize / 8)) * linux.pageSize;
    assert.ok(tables >= least && tables < least + 2 * MIB, `${tables} bytes of page tables`);
  });

  it("reads past a name with spaces and brackets", () => {
    assert.equal(parseMinorFaults("7 (a) R 1 (b) S 1 2 3 4 5 6 77 8 9"), 77);
    assert.throws(() => parseMinorFaults("7 (a) R 1 2 3"), { code: "ERR_SYSTEM" });
  });

  it("reads the same of bytes, whatever was in the buffer behind them", () => {
    for (const [text, faults] of [
      ["7 (a) R 1 (b) S 1 2 3 4 5 6 77 8 9", 77],
      ["7 (node) S 1 2 3 4 5 6 1234567 0 ", 1234567],
      ["7 (node) S 1 2 3 4 5 6 0 0 ", 0],
    ] as const) {
      assert.equal(parseMinorFaults(text), faults);
      assert.equal(minorFaultsIn(Buffer.from(`${text}) 9 9 9 9 9 9 9 9 9 9`), text.length), faults);
    }
  });

  it("counts one fault for a page, and most times none where there is none", (t) => {
    const counter = openMinorFaults();
    t.after(() => counter.close());
    const pages = 256;
    const flags = c.MAP_PRIVATE | c.MAP_ANONYMOUS | c.MAP_NORESERVE;
    const size = pages * linux.pageSize;
    const address = linux.mmap(0n, size, c.PROT_READ | c.PROT_WRITE, flags, -1, 0);
    t.after(() => linux.munmap(address, size));
    linux.madvise(address, size, c.MADV_NOHUGEPAGE);
    const view = linux.view(address, size);
    t.after(() => linux.detach(view));
    const bytes = new Uint8Array(view);
    let [more, disturbed] = [0, 0];
    for (let page = 0; page < pages; page += 1) {
      const before = counter.count();
      bytes[page * linux.pageSize] = 1;
      const between = counter.count();
      const after = counter.count();
      assert.ok(between > before, `page ${page}`);
      if (between - before > 1) more += 1;
      if (after !== between) disturbed += 1;
    }
    assert.ok(more < pages / 4 && disturbed < pages / 4, `${more} and ${disturbed} of ${pages} disturbed`);
  });

  it("finds VmPTE, in KiB", () => {
    assert.equal(parseVmPte("VmLib:\t    8 kB\nVmPTE:\t   12 kB\nVmSwap:\t 0 kB\n"), 12 * 1024);
    assert.throws(() => parseVmPte("VmLib:\t    8 kB\n"), { code: "ERR_SYSTEM" });
  });
});
