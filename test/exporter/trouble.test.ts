/** What goes wrong around the exporter and `inspect -o FILE.prom`: for real, from the sources. */

import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { get } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, describe, it, type TestContext } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { missingProgram } from "../missing-program.ts";
import { freePort, ready } from "./prometheus.ts";
import { startExporter } from "./running-exporter.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const machine = join(root, "test/machines/x86-mixed");
const tool = [
  process.execPath,
  "--disable-warning=ExperimentalWarning",
  join(root, "src/cli/main.ts"),
] as const;
const folder = mkdtempSync(join(tmpdir(), "hugebar-trouble-"));
after(() => rmSync(folder, { recursive: true }));

const rootsOf = (path: string): string[] => ["--proc", join(path, "proc"), "--sys", join(path, "sys")];
const notRoot = process.getuid?.() === 0 ? false : "only root mounts";

/** Starts the tool where mounts are its own, after what `script` does there. */
function startAmongMounts(script: string, words: readonly string[]): ChildProcess {
  return spawn("unshare", ["--mount", "sh", "-c", `${script}\nexec "$@"`, "sh", ...tool, ...words], {
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...process.env, LC_ALL: "C.UTF-8" },
  });
}

/** A copy of the machine, and how one of its processes becomes one at which every look hangs: a FUSE that nobody serves. */
function hangingMachine(name: string): {
  readonly path: string;
  readonly hang: string;
  readonly place: string;
} {
  const path = join(folder, name);
  cpSync(machine, path, { recursive: true });
  const pid = readdirSync(join(path, "proc")).find((each) => /^\d+$/.test(each)) ?? assert.fail();
  const place = join(path, "proc", pid);
  const hang = `exec 9<>/dev/fuse; mount -i -t fuse -o fd=9,rootmode=40000,user_id=0,group_id=0 none "${place}"`;
  return { path, hang, place };
}

function childrenOf(pid: number | undefined): string {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
}

async function metricsAt(address: string): Promise<string> {
  return (await fetch(`${address}/metrics`)).text();
}

describe("a /proc that blocks", { skip: notRoot }, () => {
  it("costs the exporter that scan and nothing else, and is no trouble any more once it is mended", async (t) => {
    const { path, hang, place } = hangingMachine("exporter");
    const start = (words: readonly string[]): ChildProcess => startAmongMounts(hang, words);
    const { child, address } = await startExporter(t, start, path, "--limit", "2", "--interval", "0.01");
    const asked = metricsAt(address);
    while (childrenOf(child.pid) === "") await wait(5);
    assert.equal(await (await fetch(`${address}/healthz`)).text(), "ok\n", "it answers meanwhile");
    const hanging = await asked;
    assert.match(hanging, /^hugebar_scan_success 0$/m);
    assert.match(hanging, /^hugebar_scan_failures_total 1$/m);
    assert.doesNotMatch(hanging, /^hugebar_mapp/m, "nothing of before is shown as if it were now");
    while (childrenOf(child.pid) !== "") await wait(5);

    execFileSync("nsenter", ["--target", String(child.pid), "--mount", "umount", "--lazy", place]);
    // On a busy machine a scan may take longer than that limit.
    let mended = "";
    while (!/^hugebar_scan_success 1$/m.test(mended)) mended = await metricsAt(address);
    assert.match(mended, /^hugebar_mapping_verdict\{/m);
  });

  it("keeps inspect waiting until it is killed, which leaves no file, whole or partial", async (t) => {
    const { path, hang } = hangingMachine("inspect");
    const place = join(folder, "textfiles");
    mkdirSync(place);
    const words = ["inspect", "-q", ...rootsOf(path), "-o", join(place, "hugebar.prom")];
    const child = startAmongMounts(hang, words);
    t.after(() => child.kill("SIGKILL"));
    // In the kernel's own words: it waits for an answer of the file system.
    while (!/fuse|request_wait/.test(stackOf(child.pid))) await wait(10);
    // Node has a handler for others, and the kernel lets only a deadly one end this wait.
    child.kill("SIGKILL");
    assert.deepEqual(await once(child, "exit"), [null, "SIGKILL"]);
    assert.deepEqual(readdirSync(place), []);
  });
});

/** Where in the kernel a process is. */
function stackOf(pid: number | undefined): string {
  return readFileSync(`/proc/${pid}/stack`, "utf8") + readFileSync(`/proc/${pid}/wchan`, "utf8");
}

describe("inspect -o FILE.prom", () => {
  it("leaves what was there on a full disk, and nothing beside it", { skip: notRoot }, async () => {
    const disk = join(folder, "disk");
    mkdirSync(disk);
    const script = `mount -t tmpfs -o size=8k none "${disk}"; echo old >"${disk}/hugebar.prom"
      "$@"; echo "status $?"; ls -A "${disk}"; cat "${disk}/hugebar.prom"`;
    const words = ["inspect", ...rootsOf(machine), "-o", join(disk, "hugebar.prom")];
    const { stdout, stderr } = spawnSync(
      "unshare",
      ["--mount", "sh", "-c", script, "sh", ...tool, ...words],
      {
        encoding: "utf8",
      },
    );
    assert.equal(stdout, "status 1\nhugebar.prom\nold\n");
    assert.match(stderr, /^hugebar: Cannot write .*hugebar\.prom: no space left on device/m);
  });

  it(
    "is taken by node_exporter's textfile collector without an error",
    { skip: missingProgram("prometheus-node-exporter") },
    async (t) => {
      const place = join(folder, "collected");
      mkdirSync(place);
      const words = ["inspect", "-q", ...rootsOf(machine), "-o", join(place, "hugebar.prom")];
      assert.equal(spawnSync(tool[0], [...tool.slice(1), ...words]).status, 0);
      const address = `127.0.0.1:${await freePort()}`;
      const child = spawn("prometheus-node-exporter", [
        "--collector.disable-defaults",
        "--collector.textfile",
        `--collector.textfile.directory=${place}`,
        `--web.listen-address=${address}`,
      ]);
      t.after(() => child.kill("SIGKILL"));
      await ready(child, `http://${address}/`);
      const collected = await metricsAt(`http://${address}`);
      assert.match(collected, /^node_textfile_scrape_error 0$/m);
      assert.match(collected, /^node_textfile_mtime_seconds\{file="[^"]*hugebar\.prom"\}/m);
      // Each of them, with its labels in whichever order.
      const seriesOf = (metrics: string): Set<string> =>
        new Set(
          Array.from(metrics.matchAll(/^(hugebar_\w+)(?:\{(.*)\})? /gm), ([, name, labels = ""]) =>
            [name, ...(labels.match(/\w+="(?:[^"\\]|\\.)*"/g) ?? []).sort()].join(" "),
          ),
        );
      assert.deepEqual(seriesOf(collected), seriesOf(readFileSync(join(place, "hugebar.prom"), "utf8")));
    },
  );
});

describe("--web.config.file", () => {
  it("gives TLS, passwords and clients' certificates", { skip: missingProgram("openssl") }, async (t) => {
    const kind = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2";
    const names = "-subj /CN=hugebar -addext subjectAltName=IP:127.0.0.1";
    const words = `req -x509 ${kind} ${names} -keyout a.key -out a.crt`.split(" ");
    execFileSync("openssl", words, { cwd: folder, stdio: "ignore" });
    const file = join(folder, "web.yml");
    writeFileSync(
      file,
      // "right", at bcrypt's lowest cost.
      `tls_server_config:
  cert_file: a.crt
  key_file: a.key
  min_version: TLS13
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: a.crt
basic_auth_users:
  me: $2b$04$qNp0cMA2tWXKHBmMPlk9j.5jxPzDkXpl6UFuiwSDwgQKjkanavZt.
`,
    );
    const start = (words: readonly string[]): ChildProcess =>
      spawn(tool[0], [...tool.slice(1), ...words], { stdio: ["ignore", "ignore", "pipe"] });
    const { address } = await startExporter(t, start, machine, "--web.config.file", file);
    assert.match(address, /^https:/);
    const [cert, key] = ["a.crt", "a.key"].map((name) => readFileSync(join(folder, name)));
    const known = { ca: cert, cert, key, auth: "me:right" };
    assert.match(await secretly(t, address, known), /^200 [^]*^hugebar_scan_success 1$/m);
    assert.match(await secretly(t, address, { ...known, auth: "me:wrong" }), /^401 /);
    assert.match(await secretly(t, address, { ...known, ca: undefined }), /self-signed|DEPTH_ZERO/);
    assert.match(
      await secretly(t, address, { ca: cert, auth: "me:right" }),
      /certificate required|ECONNRESET/i,
    );
    assert.match(await secretly(t, address, { ...known, maxVersion: "TLSv1.2" }), /protocol version|EPROTO/i);
    await assert.rejects(fetch(address.replace("https:", "http:")));
  });
});

/** What comes of asking over TLS: the status and the text, or the error. */
async function secretly(t: TestContext, address: string, options: object): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const asked = get(`${address}/metrics`, { ...options, agent: false, signal: t.signal }, (response) => {
    text(response).then(
      (answer) => resolve(`${response.statusCode} ${answer}`),
      (error: unknown) => resolve(String(error)),
    );
  });
  asked.once("error", (error) => resolve(String(error)));
  return promise;
}
