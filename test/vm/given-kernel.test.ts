import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";

import { bootableIn, machineOf, problemOf } from "./given-kernel.ts";

function startWith(...parts: readonly { at: number; bytes: readonly number[] }[]): Uint8Array {
  const start = new Uint8Array(0x300);
  for (const { at, bytes } of parts) start.set(bytes, at);
  return start;
}

/** 64 bits, two sectors and nothing behind. */
const bzImage = startWith(
  { at: 0x1f1, bytes: [1] },
  { at: 0x1fe, bytes: [0x55, 0xaa] },
  { at: 0x202, bytes: [0x48, 0x64, 0x72, 0x53] },
  { at: 0x236, bytes: [0x01] },
);
const image = startWith({ at: 0x38, bytes: [0x41, 0x52, 0x4d, 0x64] });

function folderFor(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "hugebar-given-"));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

describe("machineOf", () => {
  it("knows an image by what the kernel's boot protocols say of it", () => {
    assert.equal(machineOf(bzImage)?.name, "x86-64");
    assert.equal(machineOf(image)?.name, "arm64");
  });

  it("takes nothing else for one", () => {
    const gzip = startWith({ at: 0, bytes: [0x1f, 0x8b] });
    const bootSector = startWith({ at: 0x1fe, bytes: [0x55, 0xaa] });
    for (const start of [gzip, bootSector, image.subarray(0, 0x3b), new Uint8Array()]) {
      assert.equal(machineOf(start), null);
    }
  });
});

describe("problemOf", () => {
  it("is none of an image that is whole, or longer, as one that is signed", () => {
    const signed = startWith({ at: 0, bytes: [...bzImage] }, { at: 0x1f4, bytes: [0x10] });
    for (const [start, size] of [
      [bzImage, 0x400],
      [signed, 0x500],
      [signed, 0x1000],
      [image, 0x300],
    ] as const) {
      assert.equal(problemOf(start, size), null);
    }
  });

  it("is that a bzImage was cut short, wherever", () => {
    const long = startWith(
      { at: 0, bytes: [...bzImage] },
      { at: 0x1f1, bytes: [4] },
      { at: 0x1f4, bytes: [0, 1] },
    );
    assert.equal(problemOf(long, 5 * 512 + 4096), null);
    assert.equal(problemOf(long, 5 * 512 + 4095), "has 6655 of the 6656 bytes that its header tells of");
    assert.equal(problemOf(long.subarray(0, 0x210), 0x210), "ends after 528 bytes, within its header");
  });

  it("is that an Image was cut short, where it tells its sections", () => {
    const sections = startWith(
      { at: 0, bytes: [...image] },
      { at: 0x3c, bytes: [0x40, 0, 0, 0, 0x50, 0x45, 0, 0] },
      { at: 0x46, bytes: [2] },
      { at: 0x54, bytes: [0xa0] },
      { at: 0xf8 + 16, bytes: [0, 0x10, 0, 0, 0, 0x10] },
      { at: 0x120 + 16, bytes: [0, 0x20, 0, 0, 0, 0x20] },
    );
    assert.equal(problemOf(sections, 0x4000), null);
    assert.equal(problemOf(sections, 0x3fff), "has 16383 of the 16384 bytes that its header tells of");
    const many = startWith({ at: 0, bytes: [...sections] }, { at: 0x46, bytes: [0xff, 0xff] });
    assert.equal(problemOf(many, 0x4000), null, "no further than its first bytes");
    const far = startWith({ at: 0, bytes: [...sections] }, { at: 0x3c, bytes: [0xff, 0xff, 0xff, 0xff] });
    assert.equal(problemOf(far, 0x300), null);
  });

  it("is that the image is another architecture's, or needs unpacking", () => {
    const i386 = startWith({ at: 0, bytes: [...bzImage] }, { at: 0x236, bytes: [0] });
    for (const [start, problem] of [
      [i386, /^is a bzImage for 32-bit x86$/],
      [startWith({ at: 0x38, bytes: [0x52, 0x53, 0x43, 0x05] }), /^is an Image for RISC-V$/],
      [startWith({ at: 0, bytes: [0x7f, 0x45, 0x4c, 0x46] }), /^is an ELF file, as vmlinux is: .*bzImage/],
      [startWith({ at: 0, bytes: [0x4d, 0x5a, 0, 0, 0x7a, 0x69, 0x6d, 0x67] }), /^is a compressed image/],
      [startWith({ at: 0, bytes: [0x1f, 0x8b] }), /^is compressed by gzip/],
      [new Uint8Array(), /^is neither a bzImage for x86-64 nor an Image for arm64$/],
    ] as const) {
      assert.match(problemOf(start, start.length) ?? "", problem);
    }
  });
});

describe("bootableIn", () => {
  it("takes the image, and the modules if there are any", (t) => {
    const [from, alone, both] = [folderFor(t), folderFor(t), folderFor(t)];
    const modules = join(from, "modules");
    mkdirSync(modules);
    writeFileSync(join(from, "Image"), image);
    writeFileSync(join(modules, "modules.dep"), "vfio.ko:\n");
    const given = { image: join(from, "Image"), modules: null };
    assert.deepEqual(bootableIn(alone, given).machine.name, "arm64");
    assert.deepEqual(readdirSync(join(alone, "modules")), []);
    bootableIn(both, { ...given, modules });
    assert.deepEqual(new Uint8Array(readFileSync(join(both, "vmlinuz"))), image);
    assert.deepEqual(readdirSync(join(both, "modules")), ["modules.dep"]);
  });

  it("says what is wrong with what was given", (t) => {
    const folder = folderFor(t);
    const text = join(folder, "text");
    writeFileSync(text, "no kernel");
    writeFileSync(join(folder, "bzImage"), Buffer.concat([bzImage, Buffer.alloc(0x100)]));
    for (const [given, message] of [
      [{ image: join(folder, "none"), modules: null }, /^Error: There is no file .*none$/],
      [{ image: text, modules: null }, /text is neither a bzImage for x86-64 nor an Image for arm64/],
      [{ image: folder, modules: null }, /^Error: .* is no file$/],
      [{ image: join(folder, "bzImage"), modules: folder }, /^Error: There is no modules\.dep in /],
    ] as const) {
      assert.throws(() => bootableIn(folderFor(t), given), message);
    }
  });
});

describe("npm run conform", () => {
  for (const words of [[], ["--kernel"], ["--kernel", "x", "--seconds", "soon"], ["bzImage"]]) {
    it(`says how it is called when it is called with ${JSON.stringify(words)}`, () => {
      const program = join(import.meta.dirname, "conform.ts");
      const { status, stderr, stdout } = spawnSync(process.execPath, [program, ...words], {
        encoding: "utf8",
      });
      assert.match(stderr, /^Usage: npm run conform -- --kernel /m);
      assert.deepEqual([status, stdout], [2, ""]);
    });
  }
});
