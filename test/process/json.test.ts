import assert from "node:assert/strict";
import { once } from "node:events";
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { documentedKeys, documentedVerbs, keysOf } from "../support/json-keys.ts";
import { buildTool, type BuiltTool } from "./built-tool.ts";

const machines = fileURLToPath(new URL("../machines/", import.meta.url));

let tool: BuiltTool;
let folder: string;

before(() => {
  tool = buildTool();
  folder = mkdtempSync(join(tmpdir(), "hugebar-test-"));
});
after(() => {
  rmSync(folder, { recursive: true });
});

function jsonOf(words: readonly string[]): string {
  const { status, stdout, stderr } = tool.run([...words, "--json"]);
  assert.deepEqual([status, stderr], [0, ""]);
  return stdout;
}

describe("docs/json.md lists the keys of", () => {
  it("these verbs; what trace and conform print, and inspect of real devices, is held against it in the guest", () => {
    const verbs = "plan map conform serve demo devices bind inspect trace doctor";
    assert.equal(documentedVerbs.join(" "), verbs);
  });

  it("plan", () => {
    assert.deepEqual(
      keysOf(jsonOf(["plan", "--size", "1G", "--cost", "--guest-address", "4G", "--hole", "0:4K"])),
      documentedKeys("plan"),
    );
  });

  it("serve and map", async () => {
    const socket = join(folder, "device.sock");
    const child = tool.start(["serve", "--socket", socket, "--region", "2:1G", "--area", "2:0:4M", "--json"]);
    try {
      assert.ok(child.stdout !== null);
      let served = "";
      for await (const text of child.stdout) {
        served += String(text);
        if (served.endsWith("\n}\n")) break;
      }
      const mapped = jsonOf(["map", `vfio-user:${socket}`, "--region", "2", "--verify"]);
      assert.deepEqual(keysOf(mapped), documentedKeys("map"));
      assert.deepEqual(keysOf(served), documentedKeys("serve"));
    } finally {
      const exit = once(child, "exit");
      child.kill();
      await exit;
    }
  });

  it("demo", () => {
    const text = jsonOf(["demo"]);
    // Where nothing could be measured, what a measurement has does not show.
    const documented = documentedKeys("demo").filter(
      (key) => text.includes('"predicted"') || !key.includes("measurement."),
    );
    assert.deepEqual(keysOf(text), documented);
  });

  it("bind and unbind", () => {
    const roots = ["--proc", `${machines}x86-mixed/proc`, "--sys", `${machines}x86-mixed/sys`];
    const options = ["--dry-run", "--force", "--quiet", ...roots];
    const bind = jsonOf(["bind", "41:00.1", "--driver", "other", "--persist", ...options]);
    // The group is viable then.
    const viable = documentedKeys("bind").filter((key) => !key.startsWith("group.inTheWay["));
    assert.deepEqual(keysOf(bind), viable);
    // Nobody is in the way of giving back, and nothing was kept.
    const without = documentedKeys("bind").filter((key) => !/^(?:files|group)[[.]/.test(key));
    assert.deepEqual(keysOf(jsonOf(["unbind", "41:00.0", ...options])), without);
  });

  it("devices, inspect and doctor", () => {
    const devices = jsonOf(["devices", "--sys", `${machines}x86-mixed/sys`]);
    assert.deepEqual(keysOf(devices), documentedKeys("devices"));
    const roots = ["--proc", `${machines}x86-qemu/proc`, "--sys", `${machines}x86-qemu/sys`];
    const owned = join(folder, "owned");
    cpSync(`${machines}x86-qemu`, owned, { recursive: true, verbatimSymlinks: true });
    writeFileSync(join(owned, "proc/2072/cgroup"), "0::/system.slice/vm.service\n");
    // What is not known has a range in the place of figures.
    const unknown = `${machines}huge-pfnmap-regressions/6.14.3-aligned`;
    const tables = `${machines}x86-tables`;
    const inspected = [unknown, tables, owned].flatMap((folder) => {
      const options = folder === tables ? ["--tables"] : [];
      return keysOf(jsonOf(["inspect", ...options, "--proc", `${folder}/proc`, "--sys", `${folder}/sys`]));
    });
    assert.deepEqual([...new Set(inspected)].sort(), documentedKeys("inspect"));
    const { stdout, status } = tool.run(["doctor", "--json", ...roots]);
    assert.deepEqual([status, keysOf(stdout)], [1, documentedKeys("doctor")]);
  });
});
