import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { parseVma } from "./vma.ts";

describe("parseVma", () => {
  it("reads the line quoted in QEMU's commit, with its single blanks", () => {
    assert.deepEqual(
      parseVma("ff88ff000000-ffb7fff00000 rw-s 400000000000 00:06 727 /dev/vfio/devices/vfio1"),
      {
        start: 0xff88ff000000n,
        end: 0xffb7fff00000n,
        size: 0x2f00f00000,
        perms: "rw-s",
        offset: 0x400000000000n,
        dev: "00:06",
        inode: 727n,
        path: "/dev/vfio/devices/vfio1",
      },
    );
  });

  it("reads vsyscall, whose address is beyond 2^53", () => {
    const vma = parseVma(
      "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]",
    );
    assert.equal(vma?.start, 0xffffffffff600000n);
    assert.equal(vma.size, 0x1000);
  });

  it("keeps blanks in a path and undoes the newline's escape, but no backslash of the path's own", () => {
    const path = (text: string) => parseVma(`1000-2000 r--p 00000000 fe:00 99   ${text}`)?.path;
    assert.equal(path("/a path/with\\012newline"), "/a path/with\nnewline");
    assert.equal(path("/a\\040b"), "/a\\040b");
    assert.equal(path(""), "");
  });

  it("takes nothing that is no such line", () => {
    for (const line of [
      "",
      "2000-1000 rw-s 00000000 00:06 1 /dev/mem",
      "1000-1000 rw-s 00000000 00:06 1 /dev/mem",
      "0-fffffffffffffffff rw-s 00000000 00:06 1 /dev/mem",
      "0-ffffffffffffffff rw-s 00000000 00:06 1 /dev/mem",
      "1000-2000 rw-x 00000000 00:06 1 /dev/mem",
      "1000-2000 rw-s -1 00:06 1 /dev/mem",
      "0x1000-0x2000 rw-s 00000000 00:06 1 /dev/mem",
      " 1000-2000 rw-s 00000000 00:06 1 /dev/mem",
    ]) {
      assert.equal(parseVma(line), null, line);
    }
  });

  it("never throws", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (line) => {
        parseVma(line);
      }),
    );
  });
});
