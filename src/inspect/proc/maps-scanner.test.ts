import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import fc from "fast-check";
import { deviceFileOf } from "./device-file.ts";
import { scanBuffer, scanMaps } from "./maps-scanner.ts";
import { parseVma, type Vma } from "./vma.ts";

const folder = mkdtempSync(join(tmpdir(), "hugebar-maps-"));
after(() => {
  rmSync(folder, { recursive: true });
});

const path = join(folder, "maps");

/** What the scanner finds, less what only might have been a device's. */
function scan(text: string | Buffer, buffer = scanBuffer()): Vma[] {
  writeFileSync(path, text);
  const found: Vma[] = [];
  scanMaps(path, buffer, (vma) => {
    if (deviceFileOf(vma) !== null) found.push(vma);
  });
  return found;
}

/** The same, the obvious way. */
function parseAll(text: string): Vma[] {
  return text
    .split("\n")
    .map(parseVma)
    .filter((vma) => vma !== null)
    .filter((vma) => deviceFileOf(vma) !== null);
}

const paths = [
  "anon_inode:[vfio-device]",
  "/dev/vfio/devices/vfio1",
  "/dev/vfio/devices/vfio12 (deleted)",
  "/vfio/devices/vfio3",
  "/sys/devices/pci0000:00/0000:01:00.0/resource2",
  "/sys/devices/pci0000:00/0000:01:00.0/resource4_wc",
  "/dev/uio0",
  "/dev/mem",
  "/memfd:hugebar-device (deleted)",
  "[heap]",
  "[vdso]",
  "",
  "/usr/lib/libvfio.so",
  "/srv/a path/resource2",
  "/tmp/new\\012line/mem",
  "anon_inode:[perf_event]",
];

describe("scanMaps", () => {
  it("finds what parsing every line finds, wherever a piece of the file ends", () => {
    const line = fc
      .tuple(fc.nat(0xffff), fc.constantFrom(...paths), fc.constantFrom(1, 30), fc.constantFrom(0, 9000))
      .map(
        ([page, name, blanks, filler]) =>
          `${(0x7f0000000 + page).toString(16)}000-${(0x7f0000001 + page).toString(16)}000 rw-s 00000000 00:06 1${" ".repeat(blanks)}${name === "" || filler === 0 ? "" : `/${"x".repeat(filler)}`}${name}`,
      );
    const garbage = fc.string({ unit: "grapheme-ascii", maxLength: 40 });
    const text = fc
      .tuple(fc.array(fc.oneof({ weight: 5, arbitrary: line }, garbage), { maxLength: 40 }), fc.boolean())
      .map(([lines, closed]) => lines.join("\n") + (closed ? "\n" : ""));
    const buffer = Buffer.allocUnsafeSlow(20 * 1024);
    fc.assert(
      fc.property(text, (content) => {
        assert.deepEqual(scan(content, buffer), parseAll(content));
      }),
    );
  });

  it("skips a line longer than any path and goes on behind it", () => {
    const device = "1000-2000 rw-s 00000000 00:06 1 /dev/mem";
    const long = `1000-2000 rw-s 00000000 00:06 1 /${"x".repeat(500_000)}/dev/mem`;
    assert.deepEqual(scan(`${device}\n${long}\n${device}\n`).length, 2);
    assert.deepEqual(scan(long).length, 0);
  });

  it("takes bytes that are no text", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        scan(Buffer.concat([Buffer.from("1000-2000 rw-s 0 00:06 1 /dev/mem\n"), bytes]));
      }),
    );
  });

  it("does not wait at a FIFO", () => {
    const fifo = join(folder, "fifo");
    execFileSync("mkfifo", [fifo]);
    scanMaps(fifo, scanBuffer(), () => {
      assert.fail("nothing is in it");
    });
  });

  it("finds the one mapping among 200,000, in memory that does not grow with them", () => {
    const plain =
      "7f0000000000-7f0000001000 r--p 00000000 fe:01 1311                       /usr/lib/libc.so.6\n";
    const device =
      "7e8000000000-7e9000000000 rw-s 20000000000 00:0f 727                    /dev/vfio/devices/vfio1\n";
    const few = plain.repeat(1000) + device;
    const many = plain.repeat(200_000) + device;
    const buffer = scanBuffer();
    scan(few, buffer);
    writeFileSync(path, many);
    const before = process.memoryUsage().arrayBuffers;
    let found = 0;
    scanMaps(path, buffer, () => {
      found += 1;
    });
    assert.equal(found, 1);
    assert.ok(process.memoryUsage().arrayBuffers <= before, "no other buffer than the one it was given");
  });
});
