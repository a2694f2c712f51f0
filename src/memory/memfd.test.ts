import assert from "node:assert/strict";
import { fstatSync, readdirSync } from "node:fs";
import { describe, it } from "node:test";
import { HugebarError } from "../errors.ts";
import { GIB } from "../layout/sizes.ts";
import { linux } from "./libc.ts";
import { createMemfd } from "./memfd.ts";
import { SystemCallError, type System } from "./system.ts";

describe("createMemfd", () => {
  it("takes no memory for its size", () => {
    const fd = createMemfd("sparse", 256 * GIB, linux);
    const { size, blocks } = fstatSync(fd);
    assert.deepEqual({ size, blocks }, { size: 256 * GIB, blocks: 0 });
    linux.close(fd);
  });

  it("cannot be cut off under a mapping, by a peer for example", () => {
    const fd = createMemfd("sealed", 4096, linux);
    for (const size of [0, 8192]) {
      assert.throws(() => linux.ftruncate(fd, size), { call: "ftruncate", code: "EPERM" });
    }
    linux.close(fd);
  });

  it("leaves no descriptor behind where a call fails", () => {
    const before = readdirSync("/proc/self/fd");
    const failing = (call: keyof System): System => ({
      ...linux,
      [call]: () => {
        throw new SystemCallError(call, 12);
      },
    });
    for (const call of ["memfd_create", "ftruncate", "fcntl"] as const) {
      assert.throws(
        () => createMemfd("x", 4096, failing(call)),
        (error) =>
          error instanceof HugebarError &&
          error.message === `Cannot create the memory file "x" of 4096 bytes: ${call}: ENOMEM` &&
          error.cause instanceof SystemCallError,
      );
    }
    assert.deepEqual(readdirSync("/proc/self/fd"), before);
  });
});
