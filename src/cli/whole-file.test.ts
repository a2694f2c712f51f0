import assert from "node:assert/strict";
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { checkWritable, writeWholeFile } from "./whole-file.ts";

let folder: string;
before(() => {
  folder = mkdtempSync(join(tmpdir(), "hugebar-whole-"));
});
after(() => {
  rmSync(folder, { recursive: true });
});

describe("writeWholeFile", () => {
  it("replaces a file, keeps its mode, and leaves nothing beside it", () => {
    const path = join(folder, "a.json");
    writeWholeFile(path, "one");
    chmodSync(path, 0o640);
    writeWholeFile(path, "two");
    assert.equal(readFileSync(path, "utf8"), "two");
    assert.equal(statSync(path).mode & 0o777, 0o640);
    assert.deepEqual(readdirSync(folder), ["a.json"]);
  });

  it("follows a link, also one that leads nowhere yet", () => {
    const link = join(folder, "link.json");
    symlinkSync("target.json", link);
    writeWholeFile(link, "three");
    assert.equal(readFileSync(join(folder, "target.json"), "utf8"), "three");
    assert.equal(readFileSync(link, "utf8"), "three");
  });

  it("writes to a device in its place", () => {
    writeWholeFile("/dev/null", "four");
    assert.ok(statSync("/dev/null").isCharacterDevice());
    assert.throws(() => writeWholeFile("/dev/full", "five"), { code: "ENOSPC" });
  });

  it("leaves what was there where it fails", () => {
    const path = join(folder, "b.json");
    writeWholeFile(path, "before");
    // A string that is too long for the file system's names fails before anything is made.
    assert.throws(() => writeWholeFile(join(folder, "x".repeat(255)), "after"), {
      code: "ENAMETOOLONG",
    });
    assert.equal(readFileSync(path, "utf8"), "before");
    assert.ok(readdirSync(folder).every((name) => !name.endsWith(".part")));
  });
});

describe("checkWritable", () => {
  it("knows a folder, and a folder that is not there", () => {
    assert.throws(() => checkWritable(folder), { code: "EISDIR" });
    assert.throws(() => checkWritable(join(folder, "no/where.json")), { code: "ENOENT" });
    checkWritable(join(folder, "new.json"));
    assert.ok(!existsSync(join(folder, "new.json")), "it only looks");
  });
});
