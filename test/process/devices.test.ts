import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { assertGolden } from "../golden.ts";
import { buildTool, type BuiltTool } from "./built-tool.ts";

let tool: BuiltTool;

before(() => {
  tool = buildTool();
});
after(() => {
  tool.remove();
});

function machine(name: string): string[] {
  const root = (folder: string): string =>
    fileURLToPath(new URL(`../machines/${name}/${folder}`, import.meta.url));
  return ["--sys", root("sys"), "--proc", root("proc")];
}

function golden(name: string): URL {
  return new URL(`golden/${name}`, import.meta.url);
}

describe("hugebar devices", () => {
  it("lists the devices of a recorded machine as text and as JSON", () => {
    const [...sys] = machine("x86-mixed").slice(0, 2);
    const text = tool.run(["devices", ...sys]);
    assert.deepEqual([text.status, text.stderr], [0, ""]);
    assertGolden(golden("devices-x86-mixed.txt"), text.stdout);
    const json = tool.run(["devices", "--json", ...sys]);
    assert.deepEqual([json.status, json.stderr], [0, ""]);
    assertGolden(golden("devices-x86-mixed.json"), json.stdout);
  });

  it("shows one device by its short address", () => {
    const { stdout } = tool.run(["devices", "41:00.1", "--json", ...machine("x86-mixed").slice(0, 2)]);
    assert.match(stdout, /"device": "0000:41:00\.1"/);
    assert.doesNotMatch(stdout, /"device": "0000:41:00\.0"/);
  });

  it("ends with 3 where there is no such device, with 2 where it is no address", () => {
    const { status, stderr } = tool.run(["devices", "7f:00.0", ...machine("x86-mixed").slice(0, 2)]);
    assert.deepEqual(
      [status, stderr],
      [3, "hugebar: Cannot open 0000:7f:00.0: there is no such PCI device; `hugebar devices` lists them\n"],
    );
    assert.equal(tool.run(["devices", "nvme0"]).status, 2);
  });

  it("lists this machine", () => {
    const { status, stderr, stdout } = tool.run(["devices", "--json"]);
    assert.deepEqual([status, stderr], [0, ""]);
    assert.match(stdout, /"schemaVersion": 1/);
  });
});

describe("hugebar bind and unbind", () => {
  it("print what they would write", () => {
    for (const [verb, device] of [
      ["bind", "42:00.0"],
      ["unbind", "41:00.0"],
    ] as const) {
      const text = tool.run([verb, device, "--dry-run", "--group", "--force", ...machine("x86-mixed")]);
      assert.deepEqual([text.status, text.stderr], [0, ""], verb);
      const here = text.stdout.replaceAll(machine("x86-mixed")[1] ?? "", "/sys");
      assertGolden(golden(`${verb}-dry-run.txt`), here);
    }
  });

  it("leave a device alone that processes hold open", () => {
    const { status, stderr } = tool.run(["unbind", "41:00.0", "--dry-run", ...machine("x86-mixed")]);
    assert.equal(status, 5);
    assert.equal(
      stderr,
      "hugebar: Cannot unbind 0000:41:00.0: processes 310, 350, 360 hold it open; end that first, or wait for it with --force\n",
    );
  });

  it("need no write where the device is as it should be", () => {
    const { status, stdout, stderr } = tool.run(["bind", "41:00.0", "--dry-run", ...machine("x86-mixed")]);
    assert.deepEqual([status, stdout, stderr], [0, "", "hugebar: 0000:41:00.0 is bound to VFIO already\n"]);
  });

  it("never write to a recorded machine", () => {
    const { status, stderr } = tool.run(["bind", "42:00.0", ...machine("x86-mixed")]);
    assert.deepEqual(
      [status, stderr],
      [2, "hugebar: --sys and --proc read a recorded machine: they need --dry-run\n"],
    );
  });
});
