import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { buildExecutable } from "../../build/executable.ts";
import { VERBS } from "../../src/cli/verbs.ts";
import { version } from "../../src/version.ts";
import { pageScript, plannerScript } from "../../src/report/page/page-script.ts";

/** Empty folders: nothing of Node's, nothing of ours. */
const folder = mkdtempSync(join(tmpdir(), "hugebar-executable-test-"));
const [home, bin] = [join(folder, "home"), join(folder, "bin")];
const tool = join(bin, "hugebar");

function run(...words: string[]) {
  const { status, stdout, stderr } = spawnSync(tool, words, {
    cwd: home,
    encoding: "utf8",
    env: { PATH: "/nowhere", LANG: "C.UTF-8" },
  });
  return { status, stdout, stderr };
}

describe("the standalone executable, where there is no Node", () => {
  before(async () => {
    for (const each of [home, bin]) mkdirSync(each);
    await buildExecutable({ arch: process.arch, output: tool });
  });
  after(() => rmSync(folder, { recursive: true }));

  it("has every module of ours that runs in a thread or a process of its own", () => {
    const sources = globSync("src/**/*.ts", { exclude: (path) => path.endsWith(".test.ts") });
    const text = sources.map((path) => readFileSync(path, "utf8")).join("\n");
    const started = text.matchAll(/\b(?:startThread|programOf|ownModule)\(import\.meta\.url, "([\w-]+)"/g);
    const names = Array.from(started, ([, name = ""]) => name);
    assert.ok(names.length > 6);
    const [threads, programs] = ["build/executable.ts", "build/executable/main.ts"].map((path) =>
      readFileSync(path, "utf8"),
    );
    const isThere = (name: string): boolean =>
      threads?.includes(`"${name}": "src/`) === true ||
      programs?.includes(`"--own-module=${name}":`) === true;
    assert.deepEqual(
      names.filter((name) => !isThere(name)),
      [],
    );
  });

  it("says its version and the package's name of it", () => {
    assert.deepEqual(run("--version"), { status: 0, stdout: `hugebar ${version()}\n`, stderr: "" });
  });

  it("explains each verb", () => {
    for (const verb of Object.keys(VERBS))
      assert.match(run(verb, "--help").stdout, new RegExp(`^hugebar ${verb}|Usage: hugebar ${verb}`, "m"));
  });

  it("demonstrates, with the device in a thread of its own", () => {
    const { status, stdout, stderr } = run("demo");
    assert.equal(stderr, "");
    assert.match(stdout, /region .* 188 .* 451 /);
    assert.equal(status, 0);
  });

  it("draws a page with its script, and a drawing", () => {
    assert.deepEqual(run("plan", "--size", "8G", "-o", "plan.html"), { status: 0, stdout: "", stderr: "" });
    const page = readFileSync(join(home, "plan.html"), "utf8");
    assert.ok(page.includes(pageScript()), "the very script that the sources give");
    assert.equal(run("plan", "--size", "8G", "-o", "plan.svg").status, 0);
    assert.equal(run("plan", "-o", "planner.html").status, 0);
    assert.ok(readFileSync(join(home, "planner.html"), "utf8").includes(plannerScript()));
  });

  it("serves a device, and maps it from another process", async () => {
    const served = spawn(tool, ["serve", "--socket", "gpu.sock", "--region", "2:4G"], {
      cwd: home,
      env: {},
      stdio: ["ignore", "ignore", "pipe"],
    });
    try {
      const line: unknown = await once(served.stderr.setEncoding("utf8"), "data");
      assert.match(String(line), /listening/);
      const { stdout, status } = run("map", "vfio-user:gpu.sock", "--region", "2", "--json");
      assert.equal(status, 0);
      assert.match(stdout, /"leaves"/);
      // Its own library comes from a file that never had a name, so that nobody could write another in its place.
      const code = readFileSync(`/proc/${served.pid}/maps`, "utf8").matchAll(/ r-xp .* (\/.*)$/gm);
      const named = Array.from(code, ([, path = ""]) => path.replace(/^.*\/#\d+ /, "nameless "));
      const own = named.filter((path) => !/^\/(?:usr\/)?lib/.test(path));
      assert.deepEqual(new Set(own), new Set([tool, "nameless (deleted)"]));
    } finally {
      served.kill("SIGTERM");
      await once(served, "exit");
    }
  });

  it("serves metrics by a scan in a process of its own, and writes them", async () => {
    const exporter = spawn(tool, ["exporter", "--listen", "127.0.0.1:0"], {
      cwd: home,
      env: {},
      stdio: ["ignore", "ignore", "pipe"],
    });
    try {
      const said: unknown[] = await once(exporter.stderr.setEncoding("utf8"), "data");
      const address = /http:\/\/\S+:\d+/.exec(String(said[0]))?.[0];
      assert.ok(address, String(said[0]));
      const answer = await fetch(`${address}/metrics`);
      assert.match(await answer.text(), /^hugebar_scan_success 1$/m);
    } finally {
      exporter.kill("SIGTERM");
      await once(exporter, "exit");
    }
    assert.equal(run("inspect", "-q", "-o", "metrics.prom").status, 0);
    assert.match(readFileSync(join(home, "metrics.prom"), "utf8"), /^hugebar_build_info/m);
    rmSync(join(home, "metrics.prom"));
  });

  it("looks at this machine", () => {
    assert.equal(run("inspect").status, 0);
    assert.match(run("doctor").stdout, /./);
    assert.equal(run("record", "machine").status, 0);
    assert.equal(run("inspect", "--proc", "machine/proc", "--sys", "machine/sys").status, 0);
    assert.equal(run("devices").status, 0);
  });

  it("runs the guard of a trace as a process of its own", () => {
    // Its standard input ends at once, as when the trace is over.
    const instance = join(folder, "instances/hugebar-1-1");
    mkdirSync(instance, { recursive: true });
    writeFileSync(join(folder, "dynamic_events"), "");
    const guard = spawnSync(tool, ["--own-module=trace-guard", folder, "hugebar-1-1"], {
      input: "",
      encoding: "utf8",
      env: {},
    });
    assert.deepEqual([guard.status, guard.stdout, guard.stderr], [0, "", ""]);
    assert.ok(!existsSync(instance));
  });

  it("prints what shells and man need", () => {
    for (const shell of ["bash", "zsh", "fish"]) assert.equal(run("completion", shell).status, 0);
    assert.match(run("man").stdout, /^\.TH/m);
  });

  it("takes no options of Node's from the environment", () => {
    const { status, stdout } = spawnSync(tool, ["--version"], {
      encoding: "utf8",
      env: { NODE_OPTIONS: "--require=/nowhere/evil.js" },
    });
    assert.equal(status, 0);
    assert.match(stdout, /^hugebar /);
  });

  it("leaves nothing behind that it has extracted", () => {
    assert.deepEqual(readdirSync(home).sort(), ["machine", "plan.html", "plan.svg", "planner.html"]);
    assert.deepEqual(readdirSync(bin), ["hugebar"]);
  });

  it("is the same when it is made again, and less than Node with its symbols", async () => {
    await buildExecutable({ arch: process.arch, output: join(folder, "again") });
    assert.ok(readFileSync(tool).equals(readFileSync(join(folder, "again"))));
    assert.ok(statSync(tool).size < statSync(process.execPath).size);
  });
});
