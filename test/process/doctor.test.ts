import assert from "node:assert/strict";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { before, describe, it } from "node:test";
import { assertGolden } from "../golden.ts";
import { buildTool, type BuiltTool } from "./built-tool.ts";

let tool: BuiltTool;

before(() => {
  tool = buildTool();
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

  it("exits as inspect --check does where nothing falls short", () => {
    const folder = mkdtempSync(join(tmpdir(), "hugebar-doctor-"));
    try {
      cpSync(`${machines}x86-qemu`, folder, { recursive: true, verbatimSymlinks: true });
      for (const pid of ["2072", "2100"]) rmSync(join(folder, "proc", pid), { recursive: true });
      const roots = ["--proc", `${folder}/proc`, "--sys", `${folder}/sys`];
      const statuses = () =>
        [["doctor"], ["inspect", "--check"]].map((words) => tool.run([...words, ...roots]).status);
      assert.deepEqual(statuses(), [0, 0]);
      mkdirSync(join(folder, "proc/2072"));
      writeFileSync(join(folder, "proc/2072/refused"), "not-permitted\n");
      assert.deepEqual(statuses(), [4, 4]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("examines this machine", () => {
    const { stdout, stderr } = tool.run(["doctor"]);
    assert.equal(stderr, "");
    assert.match(stdout, /^Kernel\n {2}(?:ok|--|!!) Linux /);
  });
});
