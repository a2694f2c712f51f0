import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { before, describe, it } from "node:test";
import { buildTool, type BuiltTool } from "./built-tool.ts";

let tool: BuiltTool;

before(() => {
  tool = buildTool();
});

/** What it does where VFIO is, `test/vm/` shows; this is about machines that lack something. */
describe("hugebar trace", () => {
  it("says what this machine lacks, or traces", () => {
    const { status, stdout, stderr } = tool.run(["trace", "--seconds", "0.1"]);
    if (status === 0) {
      assert.match(stdout, /^\d+ faults? on device memory in \d\.\d s\.$/m);
      return;
    }
    assert.equal(stdout, "");
    assert.match(stderr, /^hugebar: Cannot trace faults on device memory: .+\n$/);
    const isRoot = process.getuid?.() === 0;
    const isMounted = existsSync("/sys/kernel/tracing/dynamic_events");
    if (isRoot && !isMounted) assert.match(stderr, /there is no tracefs; mount it/);
    if (!isRoot) assert.notEqual(status, 0);
  });

  it("checks its arguments first", () => {
    for (const words of [["--seconds", "0"], ["--seconds", "soon"], ["--seconds=-1"], ["self"]]) {
      const { status, stdout } = tool.run(["trace", ...words]);
      assert.deepEqual([status, stdout], [2, ""], words.join(" "));
    }
  });
});
