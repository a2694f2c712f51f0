import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HugebarError } from "../errors.ts";
import { closeEach } from "./closing.ts";
import { SystemCallError } from "./system.ts";

function failing(errno: number): () => void {
  return () => {
    throw new SystemCallError("close", errno);
  };
}

function failureOf(steps: readonly (() => void)[]): HugebarError {
  try {
    closeEach("it", steps);
  } catch (error) {
    if (error instanceof HugebarError) return error;
    throw error;
  }
  return assert.fail("it did not fail");
}

describe("closeEach", () => {
  it("takes every step, and says what failed at the end", () => {
    const taken: number[] = [];
    const error = failureOf([() => taken.push(1), failing(5), () => taken.push(2)]);
    assert.deepEqual(taken, [1, 2]);
    assert.equal(error.code, "ERR_CLOSE");
    assert.match(error.message, /^Cannot close it whole: close: i\/o error \(EIO\); /);
    assert.ok(error.cause instanceof SystemCallError);
  });

  it("puts the failures of several together, those of inner closings too", () => {
    const error = failureOf([failing(5), () => closeEach("inner", [failing(12), failing(9)])]);
    assert.ok(error.cause instanceof AggregateError);
    assert.deepEqual(
      error.cause.errors.map((failure: unknown) => failure instanceof SystemCallError && failure.code),
      ["EIO", "ENOMEM", "EBADF"],
    );
    assert.ok(!error.message.includes("inner"));
  });

  it("says nothing where all went well", () => {
    closeEach("it", [() => {}]);
  });
});
