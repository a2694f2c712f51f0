import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { makeFolders } from "./make-folders.ts";

describe("makeFolders", () => {
  const root = mkdtempSync(join(tmpdir(), "hugebar-folders-"));
  after(() => rmSync(root, { recursive: true }));

  it("makes a folder and those above it, and takes one that is there", () => {
    const path = join(root, "a/b/c");
    for (let time = 0; time < 2; time += 1) makeFolders(path);
    makeFolders("/");
    assert.ok(statSync(path).isDirectory());
  });

  it("says that a file is in the way", () => {
    writeFileSync(join(root, "file"), "");
    assert.throws(() => makeFolders(join(root, "file")), { code: "EEXIST" });
    assert.throws(() => makeFolders(join(root, "file/x")), { code: "ENOTDIR" });
  });

  it("comes back where the kernel lets nobody make a folder", () => {
    assert.throws(() => makeFolders("/proc/x"), { code: "ENOENT" });
    assert.throws(() => makeFolders("/proc/x/y/z"), { code: "ENOENT" });
  });
});
