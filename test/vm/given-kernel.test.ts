import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";

import { bootableIn, machineOf } from "./given-kernel.ts";

function startWith(...parts: readonly { at: number; bytes: readonly number[] }[]): Uint8Array {
  const start = new Uint8Array(0x300);
  for (const { at, bytes } of parts) start.set(bytes, at);
  return start;
}

const bzImage = startWith({ at: 0x1fe, bytes: [0x55, 0xaa] }, { at: 0x202, bytes: [0x48, 0x64, 0x72, 0x53] });
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
    writeFileSync(join(folder, "bzImage"), bzImage);
    for (const [given, message] of [
      [{ image: join(folder, "none"), modules: null }, /^Error: There is no file .*none$/],
      [{ image: text, modules: null }, /text is neither a bzImage for x86-64 nor an Image for arm64/],
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
