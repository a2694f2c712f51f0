import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  copyFileSync,
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
import { createInterface } from "node:readline";
import { after, before, describe, it } from "node:test";
import * as v from "valibot";
import { buildExecutable } from "../../build/executable.ts";
import { missingProgram } from "../missing-program.ts";
import { builtExecutable } from "./built-executable.ts";
import { APPLIED, readUnit, sandboxed } from "./sandbox.ts";
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

/** How many processes a user cannot look at. */
function unreadableFor(user: string): number {
  const own = ["--reuid", user, "--clear-groups", tool, "inspect", "-q", "--json"];
  const { stdout } = spawnSync("setpriv", own, { encoding: "utf8", env: {} });
  return v.parse(v.object({ summary: v.object({ unreadable: v.number() }) }), JSON.parse(stdout)).summary
    .unreadable;
}

describe("the standalone executable, where there is no Node", () => {
  before(async () => {
    for (const each of [home, bin]) mkdirSync(each);
    copyFileSync(await builtExecutable(), tool);
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

  const cannotSandbox =
    missingProgram("systemd-analyze") ||
    (process.arch === "x64" ? false : "the filter of system calls is x86-64's") ||
    (process.getuid?.() === 0 ? false : "only root can take everything away");

  it(
    "serves them under the unit's rights, and says that those do not do for counting faults",
    {
      skip: cannotSandbox,
    },
    async () => {
      const unit = readUnit("deploy/systemd/hugebar-exporter.service");
      for (const [name, value] of Object.entries(APPLIED)) assert.deepEqual(unit.get(name), [value], name);
      const { status, stdout } = spawnSync(
        "systemd-analyze",
        ["security", "--offline=true", "--threshold=20", "deploy/systemd/hugebar-exporter.service"],
        { encoding: "utf8" },
      );
      assert.equal(status, 0, stdout);

      const words = ["exporter", "--faults", "--listen", "127.0.0.1:0"];
      const exporter = spawn("unshare", sandboxed(unit, folder, tool, words), {
        stdio: ["ignore", "ignore", "pipe"],
      });
      const said = createInterface({ input: exporter.stderr })[Symbol.asyncIterator]();
      try {
        const lines = [String((await said.next()).value), String((await said.next()).value)].join("\n");
        assert.match(lines, /^hugebar: Cannot trace faults on device memory: /m);
        const address = /http:\/\/\S+:\d+/.exec(lines)?.[0];
        assert.ok(address, lines);
        const metrics = await (await fetch(`${address}/metrics`)).text();
        assert.match(metrics, /^hugebar_scan_success 1$/m);
        assert.match(metrics, /^hugebar_faults_traced 0$/m);
        const unreadable = Number(
          /unreadable_processes\{reason="not-permitted"\} (\d+)$/m.exec(metrics)?.[1],
        );
        assert.equal(unreadable, unreadableFor("root"), "it looks at whatever root can look at");
        assert.ok(unreadable < unreadableFor("nobody"), "which not everybody can");
        const effective = /^CapEff:\s+(\w+)$/m.exec(
          readFileSync(`/proc/${exporter.pid}/status`, "utf8"),
        )?.[1];
        // CAP_DAC_READ_SEARCH is the second, CAP_SYS_PTRACE the nineteenth (linux/capability.h).
        assert.equal(Number(`0x${effective}`), (1 << 2) | (1 << 19));
      } finally {
        exporter.kill("SIGTERM");
        assert.deepEqual(await once(exporter, "exit"), [143, null]);
      }
    },
  );

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
