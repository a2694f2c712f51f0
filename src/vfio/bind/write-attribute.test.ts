import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { setTimeout } from "node:timers/promises";
import { SystemCallError } from "../../system/system.ts";
import { childHands, StillWaiting, WriterLost } from "./write-attribute.ts";

function folderFor(test: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "hugebar-write-"));
  test.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** The process that has the path as an argument. */
function writerOf(path: string): number | undefined {
  const isWriter = (pid: string): boolean => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").includes(path);
    } catch {
      return false; // It has ended.
    }
  };
  const found = readdirSync("/proc").find((name) => /^\d+$/.test(name) && isWriter(name));
  return found === undefined ? undefined : Number(found);
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

  it("says by what the child was ended, and gives it no errno", async (test) => {
    const pipe = join(folderFor(test), "pipe");
    execFileSync("mkfifo", [pipe]);
    const writing = childHands().write(pipe, "x");
    void (async () => {
      let pid: number | undefined;
      while ((pid = writerOf(pipe)) === undefined) await setTimeout(20);
      process.kill(pid, "SIGKILL");
    })();
    await assert.rejects(writing, (error) => {
      assert.ok(error instanceof WriterLost);
      assert.equal(error.message, "the process that makes the write was ended by SIGKILL");
      return true;
    });
  });

  it("says why a child could not be started", async () => {
    // Longer than an argument may be (MAX_ARG_STRLEN).
    await assert.rejects(childHands().write("x".repeat(200_000), "x"), (error) => {
      assert.ok(error instanceof WriterLost);
      assert.match(error.message, /^the process that makes the write could not be started: .*\(E2BIG\)$/);
      return true;
    });
  });

  it("says whether a module was loaded", async () => {
    assert.equal(await childHands().load("no_such_module_of_hugebar"), false);
  });
});
