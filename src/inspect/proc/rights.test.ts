import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { lackingRights, rightsCounsel } from "./rights.ts";

const isRoot = process.getuid?.() === 0;
const mayDrop = isRoot && spawnSync("setpriv", ["--inh-caps=-all", "true"]).status === 0;

/** What a process of nobody's lacks that has these capabilities alone. */
function lackingWith(capabilities: readonly string[]): unknown {
  const url = JSON.stringify(new URL("rights.ts", import.meta.url).href);
  const program = `console.log(JSON.stringify((await import(${url})).lackingRights("/proc")))`;
  const given = capabilities.map((name) => `+${name}`).join(",");
  const caps = given === "" ? ["--inh-caps=-all"] : [`--inh-caps=${given}`, `--ambient-caps=${given}`];
  const user = ["--reuid", "65534", "--regid", "65534", "--clear-groups"];
  const node = [process.execPath, "--disable-warning=ExperimentalWarning", "--input-type=module", "-e"];
  const { stdout, stderr } = spawnSync("setpriv", [...user, ...caps, ...node, program], { encoding: "utf8" });
  assert.notEqual(stdout, "", stderr);
  return JSON.parse(stdout);
}

describe("lackingRights", () => {
  it(
    "are those that this process does not have",
    { skip: mayDrop ? false : "needs root and setpriv" },
    () => {
      assert.deepEqual(lackingRights("/proc"), []);
      assert.deepEqual(lackingWith([]), ["CAP_SYS_PTRACE", "CAP_DAC_READ_SEARCH"]);
      assert.deepEqual(lackingWith(["sys_ptrace"]), ["CAP_DAC_READ_SEARCH"]);
      assert.deepEqual(lackingWith(["dac_read_search"]), ["CAP_SYS_PTRACE"]);
      assert.deepEqual(lackingWith(["sys_ptrace", "dac_override"]), []);
    },
  );

  it("are not known of whoever recorded a machine", (test) => {
    const folder = mkdtempSync(join(tmpdir(), "hugebar-rights-"));
    test.after(() => rmSync(folder, { recursive: true }));
    assert.deepEqual(lackingRights(folder), ["CAP_SYS_PTRACE", "CAP_DAC_READ_SEARCH"]);
  });
});

describe("rightsCounsel", () => {
  it("sends nobody to get a right that they have", () => {
    assert.match(rightsCounsel(["CAP_SYS_PTRACE"]), /CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH/);
    for (const lacking of [[], ["CAP_DAC_READ_SEARCH"]] as const)
      assert.doesNotMatch(rightsCounsel(lacking), /run hugebar/);
  });
});
