import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { elementsOf } from "../../src/report/picture/media/well-formed.fixture.ts";
import { assertGolden } from "../golden.ts";
import { buildTool, type BuiltTool } from "./built-tool.ts";

let tool: BuiltTool;
let folder: string;

before(() => {
  tool = buildTool();
  folder = mkdtempSync(join(tmpdir(), "hugebar-pictures-"));
});
after(() => {
  rmSync(folder, { recursive: true });
});

const machine = new URL("../machines/gb200-64k", import.meta.url).pathname;
const inspect = ["inspect", "--proc", `${machine}/proc`, "--sys", `${machine}/sys`];
const plan = ["plan", "--size", "0x4000000000", "--area", "0:0x2f00f00000"];

/** The file that a command line writes, which must succeed and say nothing. */
function fileOf(name: string, ...words: string[]): string {
  const path = join(folder, name);
  const { stdout, stderr, status } = tool.run([...words, "-o", path]);
  assert.deepEqual([stdout, stderr, status], ["", "", 0]);
  return readFileSync(path, "utf8");
}

describe("pictures", () => {
  const drawn: readonly (readonly [name: string, words: readonly string[]])[] = [
    ["plan-gb200-x86-64.svg", [...plan, "--arch", "x86-64"]],
    ["plan-gb200-arm64-64k.svg", [...plan, "--arch", "arm64-64k"]],
    [
      "plan-shape.svg",
      ["plan", "--size", "128G", "--area", "6M:32G", "--area", "64G:3M", "--arch", "x86-64"],
    ],
    ["inspect-gb200-64k.svg", inspect],
  ];
  for (const [name, words] of drawn) {
    it(`draws ${name}`, () => {
      const svg = fileOf(name, ...words);
      elementsOf(svg);
      // Which version drew it is no part of what it looks like.
      assertGolden(
        new URL(`golden/${name}`, import.meta.url),
        svg.replace(/; hugebar: [^<]*</, "; hugebar: ...<"),
      );
    });
  }

  it("makes pages whose script is the built one", () => {
    for (const words of [[...plan, "--arch", "x86-64"], inspect, ["demo"]]) {
      const html = fileOf("page.html", ...words);
      assert.match(html, /^<!doctype html>\n<html lang="en">/);
      const script = /<script type="module">(.*?)<\/script>/s.exec(html)?.[1] ?? "";
      assert.ok(script.length > 1000, `a script of ${script.length} characters`);
      assert.doesNotMatch(html, /sourceMappingURL/);
    }
  });

  it("makes the planner where no size is given, filled in with what is", () => {
    const page = fileOf("planner.html", "plan", "--arch", "arm64-16k", "--area", "0:1G", "--area", "2G:1G");
    assert.match(page, /<option value="arm64-16k" selected>/);
    assert.match(page, /<textarea id="areas"[^>]*>\n0:1G\n2G:1G<\/textarea>/);
    const script = /<script type="module">(.*?)<\/script>/s.exec(page)?.[1] ?? "";
    assert.ok(script.length > 10_000 && !script.includes("hugebar-data"), `${script.length} characters`);
    for (const words of [
      ["plan"],
      ["plan", "--json", "-o", join(folder, "planner.json")],
      ["plan", "-o", join(folder, "planner.svg")],
      ["plan", "--strategy", "region", "-o", join(folder, "planner.html")],
    ]) {
      const { stderr, status } = tool.run(words);
      assert.equal(status, 2);
      assert.match(stderr, /--size SIZE/);
    }
  });

  it("draws a machine on which nothing falls short, and a region of nothing", () => {
    const picture = fileOf("one.html", ...inspect, "4200");
    assert.match(picture, /<h2|class="drawing"/);
    elementsOf(fileOf("empty.svg", "plan", "--size", "0", "--arch", "x86-64"));
    elementsOf(fileOf("tiny.svg", "plan", "--size", "100", "--area", "0:0", "--arch", "x86-64"));
  });

  it("has no picture of what cannot be drawn", () => {
    const { stderr, status } = tool.run(["devices", "-o", join(folder, "devices.svg")]);
    assert.equal(status, 2);
    assert.match(stderr, /its suffix names no format; use \.json or \.txt\n$/);
  });
});
