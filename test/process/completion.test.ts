import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { VERBS } from "../../src/cli/verbs.ts";
import { assertGolden } from "../golden.ts";
import { missingProgram } from "../missing-program.ts";
import { buildTool, type BuiltTool } from "./built-tool.ts";

let tool: BuiltTool;
let folder: string;

before(() => {
  tool = buildTool();
  folder = mkdtempSync(join(tmpdir(), "hugebar-test-"));
});
after(() => {
  rmSync(folder, { recursive: true });
});

const verbs = Object.keys(VERBS);

/** The script for a shell, written to a file. */
function script(shell: string): string {
  const { stdout, stderr, status } = tool.run(["completion", shell]);
  assert.deepEqual([status, stderr], [0, ""]);
  assertGolden(new URL(`golden/completion.${shell}`, import.meta.url), stdout);
  const path = join(folder, `hugebar.${shell}`);
  writeFileSync(path, stdout);
  return path;
}

function shellOutput(command: string, args: readonly string[]): string {
  const { stdout, stderr, status } = spawnSync(command, args, { encoding: "utf8" });
  assert.deepEqual([status, stderr], [0, ""]);
  return stdout;
}

describe("completion for bash", { skip: missingProgram("bash") }, () => {
  /** What bash offers for a line that ends at the cursor. */
  function offers(line: string): string[] {
    const ask = `source "$0"; COMP_LINE=$1; COMP_POINT=\${#1}; _hugebar; printf '%s\\n' "\${COMPREPLY[@]}"`;
    return shellOutput("bash", ["-c", ask, script("bash"), line])
      .split("\n")
      .filter((word) => word !== "");
  }

  it("registers itself", () => {
    assert.match(
      shellOutput("bash", ["-c", 'source "$0"; complete -p hugebar', script("bash")]),
      /-F _hugebar hugebar/,
    );
  });

  it("offers verbs, options, choices and operands", () => {
    assert.deepEqual(offers("hugebar "), verbs);
    assert.deepEqual(offers("hugebar pl"), ["plan"]);
    assert.deepEqual(offers("hugebar -"), ["-h", "--help", "-V", "--version"]);
    assert.deepEqual(offers("hugebar plan --s"), ["--size", "--strategy"]);
    assert.deepEqual(offers("hugebar plan --strategy "), ["none", "area", "region", "physical"]);
    assert.deepEqual(offers("hugebar plan --strategy=r"), ["region"]);
    assert.deepEqual(offers("hugebar -j plan --arch arm64-6"), ["arm64-64k"]);
    assert.deepEqual(offers("hugebar completion "), ["bash", "zsh", "fish"]);
    assert.deepEqual(offers("hugebar help pl"), ["plan"]);
  });

  it("offers nothing where there is nothing to offer", () => {
    assert.deepEqual(offers("hugebar plan --size "), []);
    assert.deepEqual(offers("hugebar completion bash "), []);
    assert.deepEqual(offers("hugebar nonsense "), []);
  });

  it("offers files", () => {
    assert.deepEqual(offers(`hugebar plan -o ${folder}/hugebar.b`), [`${folder}/hugebar.bash`]);
  });

  it("offers devices, of whose names bash replaces what follows the last colon", () => {
    assert.deepEqual(offers("hugebar map vfio-"), ["vfio-user:"]);
    assert.deepEqual(offers(`hugebar map vfio-user:${folder}/hugebar.b`), [`${folder}/hugebar.bash`]);
    assert.deepEqual(offers(`hugebar map --region 2 --hold vfio-user:${folder}/hugebar.b`), [
      `${folder}/hugebar.bash`,
    ]);
  });
});

describe("completion for zsh", () => {
  it("is what it was", () => {
    script("zsh");
  });

  it("loads and registers itself", { skip: missingProgram("zsh") }, () => {
    const ask = 'autoload -U compinit; compinit -D; source "$0"; print $_comps[hugebar]';
    shellOutput("zsh", ["-n", script("zsh")]);
    assert.equal(shellOutput("zsh", ["-fc", ask, script("zsh")]), "_hugebar\n");
  });
});

describe("completion for fish", () => {
  it("is what it was", () => {
    script("fish");
  });

  it("offers verbs, options and choices", { skip: missingProgram("fish") }, () => {
    const offers = (line: string): string[] =>
      shellOutput("fish", ["-N", "-c", `source ${script("fish")}; complete -C'${line}'`])
        .split("\n")
        .flatMap((offer) => offer.split("\t").slice(0, 1))
        .filter((word) => word !== "");
    assert.deepEqual(offers("hugebar "), verbs.toSorted());
    assert.deepEqual(offers("hugebar plan --str"), ["--strategy"]);
    assert.deepEqual(offers("hugebar plan --strategy "), ["area", "none", "physical", "region"]);
    assert.deepEqual(offers("hugebar completion "), ["bash", "fish", "zsh"]);
  });
});
