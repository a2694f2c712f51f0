import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { assertGolden } from "../golden.ts";
import { buildTool, type BuiltTool } from "./built-tool.ts";

let tool: BuiltTool;

before(() => {
  tool = buildTool();
});
after(() => {
  tool.remove();
});

const machines = new URL("../machines/", import.meta.url).pathname;

describe("hugebar doctor", () => {
  for (const machine of ["gb200-64k", "x86-qemu", "x86-madvise", "x86-old", "x86-mixed"]) {
    it(`examines the recorded machine ${machine}`, () => {
      const roots = ["--proc", `${machines}${machine}/proc`, "--sys", `${machines}${machine}/sys`];
      const { stdout, stderr, status } = tool.run(["doctor", ...roots]);
      assert.deepEqual([status, stderr], [1, ""]);
      assertGolden(new URL(`golden/doctor-${machine}.txt`, import.meta.url), stdout);
    });
  }

  it("examines this machine", () => {
    const { stdout, stderr } = tool.run(["doctor"]);
    assert.equal(stderr, "");
    assert.match(stdout, /^Kernel\n {2}(?:ok|--|!!) Linux /);
  });
});
