import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { describe, it } from "node:test";
import { inContinuousIntegration } from "../../../test/left-out.ts";
import { compareWithHeaders } from "./kernel-headers.fixture.ts";

const compiler = ["cc", "gcc", "clang"].find((name) => spawnSync(name, ["--version"]).status === 0);
const skip =
  compiler === undefined && !inContinuousIntegration() ? "there is no C compiler on this machine" : false;

describe("constants and structures", () => {
  it("are those of the installed kernel headers", { skip }, (test) => {
    assert.ok(compiler, "continuous integration needs a C compiler");
    const { theirs, ours, unknown } = compareWithHeaders(compiler);
    assert.deepEqual(theirs, ours);
    // The newest headers, which know them all, judge the rest in test/vm/headers.test.ts.
    if (unknown.length > 0) test.diagnostic(`${unknown.length} of them are newer than these headers`);
    assert.ok(Object.keys(ours).length > 100);
  });
});
