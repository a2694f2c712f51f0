import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { SystemCallError } from "../../system/system.ts";
import { childHands, StillWaiting } from "./write-attribute.ts";

function folderFor(test: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "hugebar-write-"));
  test.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

describe("childHands", () => {
  it("writes a value, whatever is in it", async (test) => {
    const path = join(folderFor(test), "a path");
    for (const value of ["0000:01:00.0", "\n", "--help"]) {
      writeFileSync(path, "");
      await childHands().write(path, value);
      assert.equal(readFileSync(path, "utf8"), value);
    }
  });

  it("makes no file, and tells the errno", async (test) => {
    const path = join(folderFor(test), "absent");
    await assert.rejects(childHands().write(path, "x"), (error) => {
      assert.ok(error instanceof SystemCallError);
      assert.deepEqual([error.call, error.code], ["open", "ENOENT"]);
      return true;
    });
    assert.equal(existsSync(path), false);
    await assert.rejects(childHands().write("/dev/full", "x"), { call: "write", code: "ENOSPC" });
  });

  it("waits so long and no longer", async (test) => {
    const pipe = join(folderFor(test), "pipe");
    execFileSync("mkfifo", [pipe]);
    // Nobody reads: the child waits in open(2), as it would for the kernel.
    await assert.rejects(childHands(0.3).write(pipe, "x"), (error) => {
      assert.ok(error instanceof StillWaiting);
      assert.deepEqual([error.pid, error.seconds], [null, 0.3]);
      return true;
    });
  });

  it("says whether a module was loaded", async () => {
    assert.equal(await childHands().load("no_such_module_of_hugebar"), false);
  });
});
