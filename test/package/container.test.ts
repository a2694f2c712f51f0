/** The container image, built from deploy/Containerfile without a daemon or a registry, and run in a chroot. */

import assert from "node:assert/strict";
import { type ChildProcessByStdio, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import * as v from "valibot";
import { buildPackages } from "../../build/packages.ts";
import { version } from "../../src/version.ts";
import { missingProgram } from "../missing-program.ts";
import { artefacts } from "../vm/provision/artefacts.ts";
import { folderOf } from "../vm/provision/cache.ts";
import { provision, whyNotHere } from "../vm/provision/provision.ts";
import { builtExecutable } from "./built-executable.ts";

const why =
  missingProgram("buildah") ||
  (process.getuid?.() === 0 ? false : "buildah and chroot are used as root") ||
  (whyNotHere() ?? false);

const folder = mkdtempSync(join(tmpdir(), "hugebar-container-"));
after(() => rmSync(folder, { recursive: true }));

/** A store of images of the test's own. */
function buildah(...words: string[]): string {
  const store = [
    "--root",
    join(folder, "store"),
    "--runroot",
    join(folder, "run"),
    "--storage-driver",
    "vfs",
  ];
  return execFileSync("buildah", [...store, ...words], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  }).trim();
}

const imageSchema = v.object({
  OCIv1: v.object({
    config: v.object({
      Entrypoint: v.array(v.string()),
      Cmd: v.array(v.string()),
      User: v.optional(v.string()),
    }),
  }),
});

const inspectionSchema = v.object({
  processes: v.array(v.object({ pid: v.number(), command: v.string(), refused: v.nullable(v.string()) })),
});

/** Debian's `nobody`. */
const NOBODY = 65_534;

/** Where an exporter says that it serves, whatever else it says before that. */
async function addressSaidBy(child: ChildProcessByStdio<null, Readable, Readable>): Promise<string> {
  let said = "";
  return await new Promise((resolve, reject) => {
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      said += text;
      const [address] = /http:\/\/\S+:\d+/.exec(said) ?? [];
      if (address !== undefined) resolve(address);
    });
    child.once("close", () => reject(new Error(`it ended: ${said}`)));
  });
}

describe("the container image", { skip: why }, () => {
  let root = "";
  let entry: string[] = [];
  let command: string[] = [];

  before(async () => {
    await provision(["debian-stable", "debian-stable-dependencies"]);
    const context = join(folder, "context");
    mkdirSync(context);
    const executable = await builtExecutable();
    buildPackages({ executable, arch: process.arch, output: context, compression: "quick" });
    // The image that the recipe starts from, of the same system's packages; what its apt would fetch is there already.
    const base = buildah("from", "scratch");
    buildah("copy", "--quiet", base, folderOf(artefacts["debian-stable"]), "/");
    buildah("copy", "--quiet", base, folderOf(artefacts["debian-stable-dependencies"]), "/tmp/fetched");
    buildah("run", "--isolation", "chroot", base, "--", "sh", "-c", "dpkg --install /tmp/fetched/*.deb");
    buildah("commit", "--quiet", "--rm", base, "debian:stable-slim");
    const options = ["--quiet", "--pull-never", "--isolation", "chroot", "--tag", "hugebar"];
    buildah("build", ...options, "--file", "deploy/Containerfile", context);
    const { OCIv1 } = v.parse(imageSchema, JSON.parse(buildah("inspect", "--type", "image", "hugebar")));
    ({ Entrypoint: entry, Cmd: command } = OCIv1.config);
    root = buildah("mount", buildah("from", "--pull-never", "hugebar"));
  });

  /** What a runtime does: name spaces but for the network's, devices, the machine's /proc and /sys below /host, and the capabilities that the recipe names. */
  function start(words: readonly string[]) {
    const bind =
      'for each in proc sys; do mkdir -p "$1/host/$each" "$1/$each"; mount --rbind "/$each" "$1/host/$each"; done';
    const own = 'mount -t proc proc "$1/proc"; mount --rbind /dev "$1/dev"; shift; exec "$@"';
    const rights = "-all,+sys_ptrace,+dac_read_search";
    const limited = ["setpriv", `--bounding-set=${rights}`, `--inh-caps=${rights}`, ...words];
    const inside = ["chroot", root, ...limited];
    const apart = ["--mount", "--pid", "--fork", "--kill-child", "--cgroup", "--ipc", "--uts"];
    return spawn("unshare", [...apart, "sh", "-euc", `${bind}; ${own}`, "sh", root, ...inside], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { PATH: "/usr/sbin:/usr/bin" },
    });
  }

  async function run(...words: string[]) {
    const child = start([...entry, ...words]);
    const [stdout, stderr] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, "close"),
    ]);
    return { status: child.exitCode, stdout, stderr };
  }

  it("has the tool as its entry", async () => {
    assert.deepEqual(await run("--version"), { status: 0, stdout: `hugebar ${version()}\n`, stderr: "" });
  });

  it("looks at the host by /host/proc and /host/sys, at other users' processes too", async () => {
    const other = spawn("sleep", ["1000"], { uid: NOBODY, gid: NOBODY, stdio: "ignore" });
    try {
      await once(other, "spawn");
      const roots = ["--proc", "/host/proc", "--sys", "/host/sys"];
      const { status, stdout, stderr } = await run("inspect", String(other.pid), "--json", ...roots);
      assert.equal(status, 0, stderr);
      const { processes } = v.parse(inspectionSchema, JSON.parse(stdout));
      assert.deepEqual(processes, [{ pid: other.pid, command: "sleep", refused: null }]);
    } finally {
      other.kill();
    }
  });

  it("serves the host's metrics unless told otherwise", async () => {
    assert.deepEqual(command.slice(0, 3), ["exporter", "--listen", ":9741"]);
    // Not at a port that may be taken.
    const child = start([...entry, ...command.with(2, "127.0.0.1:0")]);
    try {
      const address = await addressSaidBy(child);
      const answer = await fetch(`${address}/metrics`);
      assert.match(await answer.text(), /^hugebar_scan_success 1$/m);
    } finally {
      // It waits for its name spaces' first process, and takes no other signal meanwhile.
      child.kill("SIGKILL");
      await once(child, "close");
    }
  });
});
