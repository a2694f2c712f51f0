import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request, type IncomingMessage } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, before, describe, it, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { missingProgram } from "../missing-program.ts";
import { buildTool, type BuiltTool } from "../process/built-tool.ts";
import { freePort, ready, startPrometheus } from "./prometheus.ts";
import { startExporter as start } from "./running-exporter.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const machine = (name: string): string => join(root, "test/machines", name);
const rules = join(root, "deploy/prometheus/hugebar.rules.yml");

describe("hugebar exporter", () => {
  let tool: BuiltTool;
  const folder = mkdtempSync(join(tmpdir(), "hugebar-exporter-"));
  before(() => {
    tool = buildTool();
  });
  after(() => {
    rmSync(folder, { recursive: true });
  });

  const startExporter = (t: TestContext, roots: string | null, ...options: string[]) =>
    start(t, (words) => tool.start(words), roots, ...options);

  it(
    "serves a recorded machine and the live one, in both formats, as promtool wants it",
    { skip: missingProgram("promtool") },
    async (t) => {
      for (const roots of [machine("x86-mixed"), null]) {
        const { address } = await startExporter(t, roots);
        const plain = await fetch(`${address}/metrics`);
        const metrics = await plain.text();
        assert.match(plain.headers.get("content-type") ?? "", /^text\/plain; version=0\.0\.4/);
        const { status, stdout, stderr } = spawnSync("promtool", ["check", "metrics"], {
          input: metrics,
          encoding: "utf8",
        });
        assert.deepEqual([status, stdout, stderr], [0, "", ""]);
        const open = await fetch(`${address}/metrics`, {
          headers: { accept: "application/openmetrics-text" },
        });
        assert.match(await open.text(), /\n# EOF\n$/);
        assert.equal(await (await fetch(`${address}/healthz`)).text(), "ok\n");
        assert.equal((await fetch(`${address}/metrics`, { method: "POST" })).status, 405);
        assert.equal((await fetch(`${address}/nothing`)).status, 404);
      }
    },
  );

  it("has its alerts tested by promtool", { skip: missingProgram("promtool") }, () => {
    execFileSync("promtool", ["check", "rules", rules]);
    execFileSync("promtool", ["test", "rules", rules.replace(/\.yml$/, ".test.yml")]);
  });

  it(
    "is scraped by a real Prometheus: an alert fires, and resolves when the machine is mended",
    { skip: missingProgram("prometheus") },
    async (t) => {
      const roots = join(folder, "machine");
      cpSync(machine("x86-mixed"), roots, { recursive: true });
      const { address } = await startExporter(t, roots, "--interval", "0.1");
      // The rules as they are, but for their patience.
      const impatient = join(folder, "impatient.rules.yml");
      writeFileSync(impatient, readFileSync(rules, "utf8").replaceAll(/^( +for:) \S+$/gm, "$1 1s"));
      const targets = [{ targets: [address.replace("http://", "")], labels: {} }];
      const prometheus = await startPrometheus(targets, impatient);
      t.after(() => prometheus.stop());
      const firing = 'ALERTS{alertname="HugebarMappingFallsShort", alertstate="firing"}';
      await prometheus.until(firing, (series) => series.length > 0);
      for (const pid of readdirSync(join(roots, "proc")).filter((name) => /^\d+$/.test(name))) {
        rmSync(join(roots, "proc", pid), { recursive: true });
      }
      await prometheus.until(firing, (series) => series.length === 0);
      const scans = await prometheus.query("hugebar_scan_success");
      assert.deepEqual(
        scans.map(({ value }) => value),
        [1],
        "by what a scan says, and not for want of one",
      );
    },
  );

  it("answers fifty scrapers at once, each whole", async (t) => {
    const { address } = await startExporter(t, machine("x86-mixed"));
    const texts = await Promise.all(
      Array.from({ length: 50 }, async () => (await fetch(`${address}/metrics`)).text()),
    );
    assert.equal(new Set(texts).size, 1);
    assert.match(texts[0] ?? "", /^hugebar_scan_success 1$/m);
  });

  it("asks for a password where the web configuration has one", async (t) => {
    const file = join(folder, "web.yml");
    // "right", at bcrypt's lowest cost.
    writeFileSync(
      file,
      'basic_auth_users:\n  me: "$2b$04$qNp0cMA2tWXKHBmMPlk9j.5jxPzDkXpl6UFuiwSDwgQKjkanavZt."\n',
    );
    const { address } = await startExporter(t, machine("x86-mixed"), "--web.config.file", file);
    const statusOf = async (credentials: string | null): Promise<number> => {
      const headers = credentials === null ? {} : { authorization: `Basic ${btoa(credentials)}` };
      return (await fetch(`${address}/metrics`, { headers })).status;
    };
    assert.equal(await statusOf(null), 401);
    assert.equal(await statusOf("me:wrong"), 401);
    assert.equal(await statusOf("me:right"), 200);
    assert.equal((await fetch(`${address}/healthz`)).status, 200);
  });

  it("listens at a socket, which is gone when it ends, by a signal, with 128 + its number", async (t) => {
    const path = join(folder, "metrics.sock");
    const { child } = await startExporter(t, machine("x86-mixed"), "--listen", `unix:${path}`);
    const asked = request({ socketPath: path, path: "/metrics" });
    asked.end();
    const { promise, resolve } = Promise.withResolvers<IncomingMessage>();
    asked.once("response", resolve);
    assert.match(await text(await promise), /hugebar_build_info/);
    child.kill("SIGTERM");
    assert.deepEqual(await once(child, "exit"), [143, null]);
    assert.ok(!existsSync(path));
  });

  it(
    "takes the socket that systemd hands over",
    { skip: missingProgram("systemd-socket-activate") },
    async (t) => {
      const address = `127.0.0.1:${await freePort()}`;
      const roots = [
        "--proc",
        join(machine("x86-mixed"), "proc"),
        "--sys",
        join(machine("x86-mixed"), "sys"),
      ];
      const child = spawn(
        "systemd-socket-activate",
        ["--listen", address, process.execPath, tool.main, "exporter", "--listen", "systemd", ...roots],
        { stdio: "ignore" },
      );
      t.after(() => child.kill("SIGKILL"));
      // It starts the exporter once somebody asks, and becomes it.
      await ready(child, `http://${address}/healthz`);
      const metrics = await (await fetch(`http://${address}/metrics`)).text();
      assert.match(metrics, /^hugebar_scan_success 1$/m);
      child.kill("SIGTERM");
      assert.deepEqual(await once(child, "exit"), [143, null]);
    },
  );

  it("ends in the middle of a scan, and leaves no process behind", async (t) => {
    const { child, address } = await startExporter(t, null);
    const asked = fetch(`${address}/metrics`).catch(() => null);
    child.kill("SIGTERM");
    await once(child, "exit");
    await asked;
    const left = readdirSync("/proc").filter((pid) => {
      try {
        return (
          /^\d+$/.test(pid) &&
          readFileSync(`/proc/${pid}/cmdline`, "latin1").includes(
            `${tool.main.replace(/cli\/main\.js$/, "")}exporter/scan-process`,
          )
        );
      } catch {
        return false;
      }
    });
    assert.deepEqual(left, []);
  });

  it(
    "writes a file for the textfile collector, whole or not at all",
    { skip: missingProgram("promtool") },
    () => {
      const file = join(folder, "hugebar.prom");
      const roots = [
        "--proc",
        join(machine("x86-mixed"), "proc"),
        "--sys",
        join(machine("x86-mixed"), "sys"),
      ];
      assert.equal(tool.run(["inspect", ...roots, "-o", file]).status, 0);
      const metrics = readFileSync(file, "utf8");
      assert.match(metrics, /^hugebar_mapping_verdict\{/m);
      const { status } = spawnSync("promtool", ["check", "metrics"], { input: metrics });
      assert.equal(status, 0);
    },
  );
});
