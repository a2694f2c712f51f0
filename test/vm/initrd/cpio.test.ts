import assert from "node:assert/strict";
import { describe, it } from "node:test";

import fc from "fast-check";

import { cpioArchive, type CpioEntry, MODE_FILE, MODE_LINK, MODE_PROGRAM } from "./cpio.ts";

/** Reads an archive back as the kernel's `init/initramfs.c` does, up to the trailer. */
function readArchive(archive: Buffer): CpioEntry[] {
  const entries: CpioEntry[] = [];
  const aligned = (offset: number): number => Math.ceil(offset / 4) * 4;
  for (let offset = 0; ;) {
    assert.equal(archive.toString("latin1", offset, offset + 6), "070701");
    const field = (index: number): number =>
      Number.parseInt(archive.toString("latin1", offset + 6 + 8 * index, offset + 14 + 8 * index), 16);
    const nameEnd = offset + 110 + field(11);
    const path = archive.toString("utf8", offset + 110, nameEnd - 1);
    if (path === "TRAILER!!!") return entries;
    const content = archive.subarray(aligned(nameEnd), aligned(nameEnd) + field(6));
    entries.push({ path, mode: field(1), content: new Uint8Array(content) });
    offset = aligned(aligned(nameEnd) + field(6));
  }
}

describe("cpioArchive", () => {
  it("is read back as it was written, and is padded so that another may follow", () => {
    const entry = fc.record({
      path: fc.string({ minLength: 1 }).filter((path) => !path.includes("\0") && path !== "TRAILER!!!"),
      mode: fc.constantFrom(MODE_FILE, MODE_PROGRAM, MODE_LINK),
      content: fc.uint8Array({ maxLength: 64 }),
    });
    fc.assert(
      fc.property(fc.array(entry), (entries) => {
        const archive = cpioArchive(entries);
        assert.equal(archive.length % 512, 0);
        assert.deepEqual(
          readArchive(archive),
          entries.map((entry) => ({ ...entry })),
        );
      }),
    );
  });
});
