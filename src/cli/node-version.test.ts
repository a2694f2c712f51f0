import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { OLDEST_NODE, nodeVersionProblem } from "./node-version.ts";

describe("nodeVersionProblem", () => {
  it("accepts the oldest Node and newer ones", () => {
    for (const version of ["22.18.0", "22.19.1", "23.0.0", "24.1.0", "26.10.0", process.versions.node]) {
      assert.equal(nodeVersionProblem(version), null, version);
    }
  });

  it("refuses older ones", () => {
    for (const version of ["16.20.2", "18.0.0", "20.20.2", "22.17.9", "22.2.0"]) {
      const problem = nodeVersionProblem(version);
      assert.equal(problem?.message, `Cannot run on Node ${version}: hugebar needs Node 22.18 or newer`);
      assert.equal(problem.exitCode, 1);
    }
  });

  it("says what package.json says", () => {
    const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
    assert.ok(text.includes(`"node": ">=${OLDEST_NODE}"`));
  });
});
