import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { VERBS } from "../../src/cli/verbs.ts";
import { missingProgram } from "../missing-program.ts";
import { buildTool, type BuiltTool } from "./built-tool.ts";
import { assertGolden, assertGoldenJson, timeless } from "../golden.ts";

let tool: BuiltTool;
let folder: string;

before(() => {
  tool = buildTool();
  folder = mkdtempSync(join(tmpdir(), "hugebar-test-"));
});
after(() => {
  rmSync(folder, { recursive: true });
});

function golden(name: string): URL {
  return new URL(`golden/${name}`, import.meta.url);
}

/** The output of a command line that must succeed and say nothing besides. */
function outputOf(...words: string[]): string {
  const { stdout, stderr, status } = tool.run(words);
  assert.equal(stderr, "");
  assert.equal(status, 0);
  return stdout;
}

function fails(words: readonly string[], status: number, message: string): void {
  const result = tool.run(words);
  assert.deepEqual([result.status, result.stdout, result.stderr], [status, "", `hugebar: ${message}\n`]);
}

/** A recorded machine. */
const machine = fileURLToPath(new URL("../machines/x86-mixed", import.meta.url));
const roots = ["--proc", `${machine}/proc`, "--sys", `${machine}/sys`];

describe("the tool", () => {
  it("shows its version", () => {
    const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
    const version = /"version": "(?<version>[^"]+)"/.exec(text)?.groups?.["version"];
    assert.equal(outputOf("--version"), `hugebar ${version}\n`);
    assert.equal(outputOf("-V"), `hugebar ${version}\n`);
  });

  it("shows its help, and each verb's in three ways", () => {
    assertGolden(golden("help.txt"), outputOf("--help"));
    assert.equal(outputOf("help"), outputOf("-h"));
    for (const verb of Object.keys(VERBS)) {
      const help = outputOf(verb, "--help");
      assertGolden(golden(`help-${verb}.txt`), help);
      assert.equal(outputOf("help", verb), help);
      assert.equal(outputOf(verb, "-h"), help);
    }
  });

  it("exits 2 where the command line makes no sense", () => {
    fails([], 2, "No verb is given: see hugebar --help");
    fails(["pln"], 2, "Unknown verb pln: did you mean plan?");
    fails(["plan", "--siez", "1G"], 2, "Unknown option --siez: did you mean --size?");
    fails(["help", "pln"], 2, "Unknown verb pln: did you mean plan?");
  });

  it("knows a verb by what it begins with, where no other begins so", () => {
    assert.equal(outputOf("pla", "--size", "1G"), outputOf("plan", "--size", "1G"));
    assert.equal(outputOf("insp", "--help"), outputOf("inspect", "--help"));
    fails(["m"], 2, "Verb m could be map, man: write more of it");
  });

  it("speaks ASCII where the locale has no UTF-8", () => {
    const env = { LC_ALL: "C", LANG: "de_DE.UTF-8" };
    const text = tool.run(["plan", "--size", "1G"], { env });
    assert.match(text.stdout, /^[\0-\x7f]*$/);
    assert.match(text.stdout, /1 x 1 GiB/);
    const inUtf8 = outputOf("plan", "--size", "1G").split("\n");
    assert.deepEqual(
      text.stdout.split("\n").map((line) => line.length),
      inUtf8.map((line) => line.length),
    );
  });

  it("has no line longer than a terminal of 80 or of 40 columns", { skip: missingProgram("script") }, () => {
    const verbs = [
      ["--help"],
      ...Object.keys(VERBS).map((verb) => ["help", verb]),
      ["plan", "--size", "0x4000000000", "--area", "0:0x2f00f00000"],
      ["plan", "--size", "128G", "--area", "6M:32G", "--strategy", "region"],
      ["inspect", "--all", ...roots],
      ["doctor", ...roots],
      ["devices", ...roots.slice(2)],
      ["demo"],
    ];
    for (const words of verbs) {
      for (const columns of words[0] === "help" ? [40] : [80, 40]) {
        const command = [process.execPath, tool.main, ...words].map((word) => `'${word}'`).join(" ");
        const { stdout } = spawnSync(
          "script",
          ["-qec", `stty cols ${columns}; exec ${command}`, "/dev/null"],
          { encoding: "utf8", env: { ...process.env, NO_COLOR: "1", TERM: "xterm", LC_ALL: "C.UTF-8" } },
        );
        const lines = stdout.replaceAll("\r", "").split("\n");
        assert.ok(lines.length > 3, stdout);
        const long = lines.filter((line) => line.length > columns);
        assert.deepEqual(long, [], `hugebar ${words.join(" ")} at ${columns}`);
      }
    }
  });

  it("ends lines where COLUMNS says, where no terminal does", () => {
    const longest = (columns: string): number => {
      const { stdout } = tool.run(["inspect", "--all", ...roots], { env: { COLUMNS: columns } });
      return Math.max(...stdout.split("\n").map((line) => line.length));
    };
    const whole = longest("");
    assert.ok(whole > 80);
    assert.ok(longest("60") <= 60);
    for (const none of ["0", "wide", "-60"]) assert.equal(longest(none), whole);
  });

  it("exits 1 with one line where the output cannot be written", () => {
    const { status, stderr } = spawnSync(
      "/bin/sh",
      ["-c", '"$0" "$1" plan --size 1G > /dev/full', process.execPath, tool.main],
      { encoding: "utf8" },
    );
    assert.equal(stderr, "hugebar: Cannot write to standard output: no space left on device (ENOSPC)\n");
    assert.equal(status, 1);
  });

  it("ends quietly, as by SIGPIPE, when its reader has enough", () => {
    const { stdout, stderr } = spawnSync(
      "bash",
      ["-c", '"$0" "$1" help plan | true; echo ${PIPESTATUS[0]}', process.execPath, tool.main],
      { encoding: "utf8" },
    );
    assert.equal(stderr, "");
    // The reader may be gone before the first write or after the last.
    assert.match(stdout, /^(?:141|0)\n$/);

    const closed = spawnSync(
      "bash",
      ["-c", 'exec 3> >(exit 0); wait $!; "$0" "$1" help plan >&3; echo $?', process.execPath, tool.main],
      { encoding: "utf8" },
    );
    assert.deepEqual([closed.stdout, closed.stderr], ["141\n", ""]);
  });

  it("colours on a terminal, unless told not to", { skip: missingProgram("script") }, () => {
    const onTerminal = (environment: string): string => {
      const command = `env ${environment} '${process.execPath}' '${tool.main}' plan --size 1G`;
      return spawnSync("script", ["-qec", command, "/dev/null"], { encoding: "utf8" }).stdout;
    };
    const plain = outputOf("plan", "--size", "1G");
    const colour = "\u001B[";
    assert.ok(onTerminal("TERM=xterm NO_COLOR=").includes(colour));
    assert.ok(!onTerminal("TERM=xterm NO_COLOR=1").includes(colour));
    assert.ok(!onTerminal("TERM=dumb NO_COLOR=").includes(colour));
    assert.ok(!plain.includes(colour));
  });

  it("calls an error that it does not know a bug, in one line, and shows where on request", () => {
    const broken = "data:text/javascript,JSON.stringify=()=>{throw new TypeError('two%5Cnlines')}";
    const words = ["plan", "--size", "1G", "--json"];
    const result = tool.run(words, { nodeOptions: ["--import", broken] });
    assert.equal(
      result.stderr,
      "hugebar: Unexpected error, a bug in hugebar: TypeError: two lines (HUGEBAR_DEBUG=1 shows where)\n",
    );
    assert.deepEqual([result.status, result.stdout], [1, ""]);

    const debug = tool.run(words, { nodeOptions: ["--import", broken], env: { HUGEBAR_DEBUG: "1" } });
    assert.match(debug.stderr, /^ {4}at .*plan\.js/m);
    const known = tool.run(["plan", "--size", "x"], { env: { HUGEBAR_DEBUG: "1" } });
    assert.match(known.stderr, /^hugebar: Cannot use --size "x": .*\n.*HugebarError.*\n +at /);
  });

  it("refuses a Node that is too old before it loads anything else", () => {
    const pretend = "data:text/javascript,Object.defineProperty(process,'versions',{value:{node:'20.20.2'}})";
    const { status, stdout, stderr } = tool.run(["plan", "--size", "1G"], {
      nodeOptions: ["--import", pretend],
    });
    assert.equal(stderr, "hugebar: Cannot run on Node 20.20.2: hugebar needs Node 22.18 or newer\n");
    assert.deepEqual([status, stdout], [1, ""]);
  });

  const machineNode = "/usr/bin/node";
  const machineVersion = existsSync(machineNode)
    ? spawnSync(machineNode, ["--version"], { encoding: "utf8" }).stdout.trim().slice(1)
    : "";
  const isOld = /^(?:1[68]|20)\./.test(machineVersion);
  it("does so on the machine's own Node", { skip: isOld ? false : "it is not an old one" }, () => {
    const { status, stderr } = tool.run(["--version"], { node: machineNode });
    assert.equal(
      stderr,
      `hugebar: Cannot run on Node ${machineVersion}: hugebar needs Node 22.18 or newer\n`,
    );
    assert.equal(status, 1);
  });
});

describe("hugebar plan", () => {
  const gb200 = ["plan", "--size", "0x4000000000", "--area", "0:0x2f00f00000"];
  const shifted = ["plan", "--size", "128G", "--area", "6M:32G"];

  it("compares the strategies for every paging model", () => {
    for (const arch of ["x86-64", "arm64-4k", "arm64-16k", "arm64-64k"]) {
      assertGolden(golden(`plan-gb200-${arch}.txt`), outputOf(...gb200, "--arch", arch));
      assertGoldenJson(golden(`plan-gb200-${arch}.json`), outputOf(...gb200, "--arch", arch, "--json"));
    }
  });

  it("adds the strategy physical where the physical address is known", () => {
    const words = [...shifted, "--arch", "x86-64", "--physical", "0x600000200000"];
    assertGolden(golden("plan-physical.txt"), outputOf(...words));
    assertGoldenJson(golden("plan-physical.json"), outputOf(...words, "-j"));
  });

  it("shows one strategy part by part", () => {
    assertGolden(
      golden("plan-one-strategy.txt"),
      outputOf(...shifted, "--arch", "x86-64", "--strategy", "region"),
    );
  });

  it("gives the same whatever the order of the areas", () => {
    const areas = ["0:4K", "1M:2M", "64M:1G", "2G:3G"];
    const words = (order: readonly string[]): string[] => [
      "plan",
      "--size",
      "8G",
      ...order.flatMap((area) => ["--area", area]),
    ];
    assert.equal(outputOf(...words(areas)), outputOf(...words(areas.toReversed())));
  });

  it("writes to a file, in the format of its suffix", () => {
    const json = join(folder, "plan.json");
    const text = join(folder, "plan.txt");
    assert.equal(outputOf(...gb200, "-o", json), "");
    assert.equal(outputOf(...gb200, "-o", text), "");
    assert.equal(timeless(readFileSync(json, "utf8")), timeless(outputOf(...gb200, "--json")));
    assert.equal(readFileSync(text, "utf8"), outputOf(...gb200, "--output", "-"));
    fails(
      [...gb200, "-o", join(folder, "plan.bmp")],
      2,
      `Cannot use --output ${join(folder, "plan.bmp")}: its suffix names no format; use .json, .svg, .html or .txt`,
    );
    fails(
      [...gb200, "-o", "/nowhere/plan.json"],
      1,
      "Cannot write to /nowhere/plan.json: no such file or directory (ENOENT)",
    );
  });

  it("refuses a file that it could not write before it does anything", () => {
    fails(
      [...gb200, "-o", folder],
      2,
      `Cannot use --output ${folder}: its suffix names no format; use .json, .svg, .html or .txt`,
    );
    fails(
      [...gb200, "-o", "x.toString"],
      2,
      "Cannot use --output x.toString: its suffix names no format; use .json, .svg, .html or .txt",
    );
    fails(
      [...gb200, "--json", "-o", join(folder, "plan.svg")],
      2,
      `--json and --output ${join(folder, "plan.svg")} ask for two formats: leave --json out, or name a .json file`,
    );
    // Before the device is opened, which is not there.
    const early = tool.run(["map", "vfio-user:/nowhere", "--region", "0", "-o", "/nowhere/map.json"]);
    assert.equal(
      early.stderr,
      "hugebar: Cannot write to /nowhere/map.json: no such file or directory (ENOENT)\n",
    );
    assert.equal(early.status, 1);
  });

  it("exits 4 where it may not write, before it does anything", { skip: missingProgram("setpriv") }, () => {
    const closed = join(folder, "closed");
    mkdirSync(closed, { mode: 0o555 });
    // Root without its capabilities; anybody else has none.
    const limits =
      process.geteuid?.() === 0 ? ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] : ["env"];
    const [program, ...rest] = [...limits, process.execPath, tool.main];
    for (const words of [gb200, ["map", "vfio-user:/nowhere", "--region", "0"]]) {
      const { status, stdout, stderr } = spawnSync(
        program,
        [...rest, ...words, "-o", join(closed, "x.json")],
        {
          encoding: "utf8",
        },
      );
      const message = `hugebar: Cannot write to ${closed}/x.json: permission denied (EACCES)\n`;
      assert.deepEqual([status, stdout, stderr], [4, "", message]);
    }
    assert.deepEqual(readdirSync(closed), []);
  });

  it("reads areas from a file, and from standard input", () => {
    const file = join(folder, "areas");
    writeFileSync(file, "# a GB200\n0:0x2f00f00000\n\n");
    const json = outputOf(...gb200, "--json");
    assert.equal(timeless(outputOf("plan", "--size", "0x4000000000", "--areas", file, "-j")), timeless(json));
    const piped = spawnSync(
      process.execPath,
      [tool.main, "plan", "--size", "0x4000000000", "--areas", "-", "-j"],
      {
        encoding: "utf8",
        input: "0:0x2f00f00000 # all of it\n",
      },
    );
    assert.equal(timeless(piped.stdout), timeless(json));
    writeFileSync(file, "0:4K\n4K\n");
    fails(["plan", "--size", "1M", "--areas", file], 2, `Cannot use line 2 of ${file} 4K: give OFFSET:SIZE`);
    fails(
      ["plan", "--size", "1M", "--areas", "/nowhere"],
      1,
      "Cannot read /nowhere: no such file or directory (ENOENT)",
    );
  });

  it("refuses shapes that make no sense", () => {
    fails(
      ["plan", "--size", "1M", "--area", "2M:4K", "--arch", "x86-64"],
      1,
      "Cannot map region of this shape: area 0 (0x200000+0x1000) lies outside the region (0x100000)",
    );
    fails(["plan", "--size", "1M", "--area", "4K"], 2, "Cannot use --area 4K: give OFFSET:SIZE");
    fails(
      ["plan", "--size", "1M", "--strategy", "physical"],
      2,
      "--strategy physical needs --physical ADDRESS",
    );
    fails(
      ["plan", "--size", "1M", "--physical", "100", "--arch", "x86-64"],
      2,
      "Cannot use --physical 100: it is not a multiple of the page size (4 KiB)",
    );
    assert.equal(tool.run(["plan", "--size", "9007199254740992"]).status, 2);
    assert.equal(tool.run(["plan", "--size", "-1"]).status, 2);
  });

  it("plans for a region without size", () => {
    assert.match(outputOf("plan", "--size", "0"), /^none .* 0 B$/m);
  });
});

describe("hugebar man", () => {
  it("prints the manual page, which docs/hugebar.1 keeps", () => {
    assertGolden(new URL("../../docs/hugebar.1", import.meta.url), outputOf("man"));
  });
});
