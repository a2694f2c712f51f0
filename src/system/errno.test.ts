import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { errnoInWords, failureInWords, isNotPermitted } from "./errno.ts";
import { SystemCallError } from "./system.ts";

describe("an errno in words", () => {
  it("is a sentence beside its name", () => {
    assert.equal(errnoInWords("ENOENT"), "no such file or directory (ENOENT)");
    assert.equal(errnoInWords("errno 4711"), "errno 4711");
    assert.equal(new SystemCallError("mmap", 12).message, "mmap: not enough memory (ENOMEM)");
  });

  it("is found in errors of every kind", () => {
    const error = (() => {
      try {
        return readFileSync("/nowhere");
      } catch (thrown) {
        return thrown;
      }
    })();
    assert.equal(failureInWords(error), "no such file or directory (ENOENT)");
    assert.equal(failureInWords(new SystemCallError("open", 13)), "permission denied (EACCES)");
    assert.equal(failureInWords(new Error("lost")), "lost");
    assert.equal(failureInWords("lost"), "lost");
    assert.ok(isNotPermitted(new SystemCallError("open", 1)));
    assert.ok(!isNotPermitted(error));
  });
});
