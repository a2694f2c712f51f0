import assert from "node:assert/strict";
import { once } from "node:events";
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, before, beforeEach, describe, it } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { openDevice } from "../../src/open.ts";
import { assertGolden, timeless } from "../golden.ts";
import { buildTool, type BuiltTool } from "./built-tool.ts";
import { readMaps, type MapsLine } from "./maps.ts";

const GIB = 2 ** 30;

let tool: BuiltTool;
let folder: string;
let socket: string;
let started: ChildProcess[];

before(() => {
  tool = buildTool();
});
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "hugebar-test-"));
  socket = join(folder, "device.sock");
  started = [];
});
afterEach(async () => {
  for (const child of started) {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill("SIGKILL");
      await once(child, "exit");
    }
  }
  rmSync(folder, { recursive: true });
});

/** A running tool, with what it has written so far. */
interface Running {
  readonly child: ChildProcess;
  readonly pid: number;
  stdout: string;
  stderr: string;
}

/** Starts the tool and waits until its messages match `ready`, and its JSON, where it prints some, is there. */
async function start(words: readonly string[], ready: RegExp): Promise<Running> {
  const child = tool.start(words);
  started.push(child);
  const running: Running = { child, pid: child.pid ?? 0, stdout: "", stderr: "" };
  const isReady = (): boolean =>
    ready.test(running.stderr) && (!words.includes("--json") || running.stdout.endsWith("\n}\n"));
  await new Promise<void>((resolve, reject) => {
    const collect = (stream: "stdout" | "stderr"): void => {
      child[stream]?.setEncoding("utf8").on("data", (text: string) => {
        running[stream] += text;
        if (isReady()) resolve();
      });
    };
    collect("stdout");
    collect("stderr");
    child.once("exit", () => reject(new Error(`it ended before it was ready: ${running.stderr}`)));
  });
  return running;
}

function serve(...words: string[]): Promise<Running> {
  return start(["serve", "--socket", socket, ...words], /^hugebar: listening at vfio-user:/);
}

function hold(...words: string[]): Promise<Running> {
  return start(["map", `vfio-user:${socket}`, "--json", "--hold", ...words], /holds the mapping/);
}

/** Ends it by a signal and gives its exit code. */
async function end({ child }: Running, signal: NodeJS.Signals): Promise<number | null> {
  const exit = once(child, "exit");
  child.kill(signal);
  await exit;
  return child.exitCode;
}

interface MapJson {
  readonly base: string;
  readonly alignment: number;
  readonly mappings: readonly { readonly offset: number; readonly size: number; readonly address: string }[];
  readonly gaps: readonly { readonly offset: number; readonly size: number }[];
}

function parseMapJson(text: string): MapJson {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the assertions that follow are the check
  return JSON.parse(text) as MapJson;
}

function withoutAddress(key: string, value: unknown): unknown {
  return key === "address" ? "" : value;
}

/** The lines of /proc/PID/maps that lie, whole or in part, between two addresses. */
function linesBetween(pid: number, start: bigint, end: bigint): MapsLine[] {
  return readMaps(pid).filter((line) => line.start < end && line.end > start);
}

/** Four areas with gaps before, between and after them, not in order. */
const SHUFFLED = ["2:2G:1G", "2:4K:8K", "2:5G:0x7000", "2:64M:0x203000"];
const SORTED = ["2:4K:8K", "2:64M:0x203000", "2:2G:1G", "2:5G:0x7000"];
const withAreas = (areas: readonly string[]): string[] => areas.flatMap((area) => ["--area", area]);

describe("hugebar serve --trace", () => {
  it("writes a line for each message to standard error, and none without", async () => {
    const silent = await serve("--region", "2:16M");
    await end(await hold("--region", "2"), "SIGTERM");
    await end(silent, "SIGTERM");
    assert.doesNotMatch(silent.stderr, /VFIO_USER/);

    const traced = await serve("--region", "2:16M", "--trace");
    await end(await hold("--region", "2"), "SIGTERM");
    await end(traced, "SIGTERM");
    assert.equal(traced.stdout, "");
    const golden = new URL("./golden/serve-trace.stderr", import.meta.url);
    assertGolden(golden, traced.stderr.replace(socket, "PATH"));
  });

  it("is not silent", () => {
    const { status, stderr } = tool.run(["serve", "--socket", socket, "--region", "2:16M", "-q", "--trace"]);
    assert.equal(status, 2);
    assert.match(stderr, /--quiet and --trace/);
  });
});

describe("hugebar serve and hugebar map, one process each", () => {
  it("lays a GB200-shaped region at a multiple of 1 GiB and keeps nothing of the reservation", async () => {
    await serve("--region", "2:0x4000000000", "--area", "2:0:0x2f00f00000");
    const held = await hold("--region", "2");
    const json = parseMapJson(held.stdout);
    const base = BigInt(json.base);
    assert.equal(base % BigInt(GIB), 0n);
    assert.deepEqual(json.gaps, [{ offset: 0x2f00f00000, size: 0x4000000000 - 0x2f00f00000 }]);

    const lines = linesBetween(held.pid, base - BigInt(GIB), base + 0x4000000000n);
    const areas = lines.filter(({ path }) => path.startsWith("/memfd:"));
    assert.deepEqual(
      areas.map(({ start, end, permissions }) => ({ start, end, permissions })),
      [{ start: base, end: base + 0x2f00f00000n, permissions: "rw-s" }],
    );
    const reserved = lines.filter(({ permissions, path }) => permissions === "---p" && path === "");
    assert.deepEqual(reserved, []);
    assert.equal(await end(held, "SIGINT"), 130);
  });

  it("puts each area at base + offset, whatever their order", async () => {
    const results: MapJson[] = [];
    for (const areas of [SHUFFLED, SORTED]) {
      const server = await serve("--region", "2:8G", ...withAreas(areas));
      const held = await hold("--region", "2");
      const json = parseMapJson(held.stdout);
      results.push(json);
      const base = BigInt(json.base);
      assert.equal(base % BigInt(GIB), 0n);
      const mapped = linesBetween(held.pid, base, base + 8n * BigInt(GIB)).filter(({ path }) =>
        path.startsWith("/memfd:"),
      );
      assert.deepEqual(
        mapped.map(({ start, end }) => [start - base, end - start]),
        [
          [0x1000n, 0x2000n],
          [0x4000000n, 0x203000n],
          [0x80000000n, 0x40000000n],
          [0x140000000n, 0x7000n],
        ],
      );
      assert.deepEqual(
        json.mappings.map(({ offset, size, address }) => [
          BigInt(offset),
          BigInt(size),
          BigInt(address) - base,
        ]),
        mapped.map(({ start, end }) => [start - base, end - start, start - base]),
      );
      assert.equal(await end(held, "SIGTERM"), 143);
      assert.equal(await end(server, "SIGTERM"), 143);
    }
    // All of it but the addresses, which the kernel chooses anew.
    const [first, second] = results.map((json) =>
      JSON.stringify({ ...json, base: "", time: "" }, withoutAddress),
    );
    assert.equal(first, second);
  });

  it("keeps the gaps inaccessible where they are to be guarded", async () => {
    await serve("--region", "2:8G", ...withAreas(SHUFFLED));
    const held = await hold("--region", "2", "--gaps", "guard");
    const json = parseMapJson(held.stdout);
    const base = BigInt(json.base);
    const lines = readMaps(held.pid);
    for (const { offset, size } of json.gaps) {
      const start = base + BigInt(offset);
      const guard = lines.find((line) => line.start <= start && line.end >= start + BigInt(size));
      assert.equal(guard?.permissions, "---p");
    }
    assert.equal(await end(held, "SIGHUP"), 129);
  });

  it("serves one client after another, and removes its socket at the end", async () => {
    const server = await serve("--region", "0:64K", "--region", "2:1G");
    for (const strategy of ["none", "area", "region"]) {
      for (const region of ["0", "2"]) {
        const words = ["map", `vfio-user:${socket}`, "--region", region, "--strategy", strategy];
        const { status, stderr, stdout } = tool.run(words);
        assert.deepEqual([status, stderr], [0, ""]);
        assert.match(stdout, new RegExp(`^Region ${region} of vfio-user:.* with strategy ${strategy} `));
      }
    }
    assert.ok(existsSync(socket));
    assert.equal(await end(server, "SIGINT"), 130);
    assert.equal(existsSync(socket), false);
    assert.equal(
      server.stderr,
      `hugebar: listening at vfio-user:${socket} with region 0 of 64 KiB, region 2 of 1 GiB\n` +
        "hugebar: a client has connected\nhugebar: the client has left\n".repeat(6),
    );
  });

  it("verifies what it predicts", async () => {
    await serve("--region", "2:1G");
    const text = tool.run(["map", `vfio-user:${socket}`, "--region", "2", "--verify"]);
    assert.deepEqual([text.status, text.stderr], [0, ""]);
    assert.match(text.stdout, /^VERIFIED ON .* PREDICTED .* MEASURED$/m);
    const json = tool.run(["map", `vfio-user:${socket}`, "--region", "2", "--verify", "--json"]);
    assert.match(json.stdout, /"verification": \{/);
  });

  it("exits 1 with --verify where leaves are smaller than predicted, 4 where nothing was measured", async () => {
    await serve("--region", "2:1G", "--region", "8:100");
    const fixture = join(import.meta.dirname, "smaller-leaves.fixture.ts");
    const verify = (index: string, nodeOptions: readonly string[] = []) =>
      tool.run(["map", `vfio-user:${socket}`, "--region", index, "--verify"], { nodeOptions });
    const differs = verify("2", ["--disable-warning=ExperimentalWarning", "--import", fixture]);
    assert.match(differs.stdout, /^The measurement differs/m);
    assert.deepEqual([differs.status, differs.stderr], [1, ""]);
    const nothing = verify("8");
    assert.match(nothing.stdout, /can neither confirm nor refute anything: nothing was touched/);
    assert.deepEqual([nothing.status, nothing.stderr], [4, ""]);
  });

  it("exits 6 with --verify where it fails otherwise, and 1 without", async (t) => {
    // Nobody who speaks vfio-user.
    const server = createServer((client) => client.destroy());
    t.after(() => server.close());
    server.listen(socket);
    await once(server, "listening");
    const exitOf = async (...words: string[]): Promise<number | null> => {
      const child = tool.start(["map", `vfio-user:${socket}`, "--region", "2", ...words]);
      await once(child, "exit");
      return child.exitCode;
    };
    assert.equal(await exitOf(), 1);
    assert.equal(await exitOf("--verify"), 6);
  });

  for (const [likeness, id, ids] of [
    ["gb200", 0x2941, [0x23]],
    ["gh200", 0x2342, []],
  ] as const) {
    it(`serves what nvgrace-gpu takes for a ${likeness}'s GPU, ready a while after each reset`, async () => {
      const words = ["--like", likeness, "--region", "4:256G", "--area", "4:0:0x2f00f00000"];
      const server = await serve(...words, "--json");
      assert.match(server.stderr, /with region 0 of 16 MiB, region 4 of 256 GiB$/m);
      assert.match(timeless(server.stdout), /"index": 0,\s+"size": 16777216,\s+"areas": \[\]/);
      const device = openDevice(`vfio-user:${socket}`);
      try {
        const { config } = device;
        assert.deepEqual([config.vendor, config.device, config.class], [0x10de, id, 0x03_0200]);
        assert.deepEqual(
          config.extendedCapabilities.map((capability) => capability.id),
          ids,
        );
        // The DVSEC's id, and the bit that has region 4 take all of the memory.
        if (likeness === "gb200") assert.deepEqual([config.read16(0x108), config.read16(0x10a) & 1], [3, 1]);
        const status = (): (number | undefined)[] =>
          [0x1498, 0x200bc].map((offset) => {
            const register = new Uint8Array(4);
            device.region(0).read(offset, register);
            return new Uint32Array(register.buffer)[0];
          });
        const areReady = (): boolean => status().every((value) => value === 0xff);
        while (!areReady()) await wait(20);
        device.reset();
        assert.deepEqual(status(), [0, 0]);
        while (!areReady()) await wait(20);
        assert.deepEqual(device.region(4).areas, [{ offset: 0, size: 0x2f_00f0_0000 }]);
      } finally {
        device.close();
      }
    });
  }

  it("says which of --region and --like are missing, and that region 0 is taken", () => {
    const none = tool.run(["serve", "--socket", socket]);
    assert.match(none.stderr, /--region INDEX:SIZE or --like is missing: see hugebar serve --help/);
    assert.equal(none.status, 2);
    const twice = tool.run(["serve", "--socket", socket, "--like", "gh200", "--region", "0:4K"]);
    assert.match(twice.stderr, /region 0: it is described twice/);
    assert.equal(twice.status, 2);
    const other = tool.run(["serve", "--socket", socket, "--like", "gb300"]);
    assert.match(other.stderr, /gb300/);
    assert.equal(other.status, 2);
  });

  it("says in JSON what it serves", async () => {
    const server = await serve("--json", "--region", "2:1G", "--area", "2:0:4K");
    assert.deepEqual(JSON.parse(timeless(server.stdout)), {
      schemaVersion: 1,
      version: "...",
      host: "...",
      time: "...",
      device: `vfio-user:${socket}`,
      pid: server.pid,
      regions: [{ index: 2, size: GIB, areas: [{ offset: 0, size: 4096 }] }],
    });
  });

  it("serves regions that do not end on a page, and maps nothing where there is not even one", async () => {
    // Those that are no BARs, whose sizes are powers of two.
    await serve("--region", "6:5000", "--region", "8:100");
    const [partly, not] = ["6", "8"].map((index) =>
      parseMapJson(tool.run(["map", `vfio-user:${socket}`, "--region", index, "--json"]).stdout),
    );
    assert.deepEqual(partly?.gaps, [{ offset: 4096, size: 904 }]);
    assert.deepEqual([not?.base, not?.mappings, not?.gaps], ["0x0", [], [{ offset: 0, size: 100 }]]);
    const { stdout } = tool.run(["map", `vfio-user:${socket}`, "--region", "8"]);
    assert.match(stdout, /: 100 B, nothing of it mapped/);
  });

  it("gives everything back when its reader is gone", async () => {
    // The pipe's reader has ended before the tool starts.
    const line =
      'exec 3> >(exit 0); wait $!; "$0" "$1" serve --socket "$2" --region 2:1G --json >&3; echo $?';
    const words = ["-c", line, process.execPath, tool.main, socket];
    const ended = spawnSync("bash", words, { encoding: "utf8", timeout: 30_000 });
    assert.equal(ended.stdout, "141\n");
    assert.equal(existsSync(socket), false);
  });

  it("writes the mapping to a file", async () => {
    await serve("--region", "2:1G");
    const path = join(folder, "map.json");
    assert.equal(tool.run(["map", `vfio-user:${socket}`, "--region", "2", "-o", path]).status, 0);
    assert.equal(parseMapJson(readFileSync(path, "utf8")).alignment, GIB);
  });

  it("draws the mapping beside what another strategy promises", async () => {
    await serve("--region", "2:1G");
    const stripsWith = (strategy: string): string[] => {
      const path = join(folder, "map.svg");
      const words = ["map", `vfio-user:${socket}`, "--region", "2", "--strategy", strategy, "-o", path];
      assert.equal(tool.run(words).status, 0);
      const strips = readFileSync(path, "utf8").matchAll(/<title>(?<name>[^:]*): (?<rest>[^<]*)<\/title>/g);
      return [...strips].flatMap(({ groups }) => groups?.["name"] ?? []);
    };
    assert.deepEqual(stripsWith("region"), [
      "none, the kernel chooses the address",
      "region, as mapped here",
    ]);
    assert.deepEqual(stripsWith("none"), ["none, as mapped here", "region, the whole region aligned"]);
  });
});

function fails(words: readonly string[], status: number, message: RegExp): void {
  const result = tool.run(words);
  assert.equal(result.stdout, "");
  assert.match(result.stderr, /^hugebar: [^\n]*\n$/);
  assert.match(result.stderr, message);
  assert.equal(result.status, status);
}

describe("hugebar map of a stranger's device", () => {
  it("says that its server can cut off the file it lends", async () => {
    const fixture = join(import.meta.dirname, "../../src/vfio-user/client/blocking-device.fixture.ts");
    const server = spawn(process.execPath, [fixture, socket], { stdio: ["ignore", "pipe", "inherit"] });
    started.push(server);
    await once(server.stdout, "data");
    const { status, stdout } = tool.run(["map", `vfio-user:${socket}`, "--region", "1", "--verify"]);
    assert.equal(status, 0);
    assert.match(stdout, /^The server can cut off the file behind the region: touching what is gone ends/m);
    assert.match(stdout, /^The measurement agrees with 2 × 4 KiB/m);
  });
});

describe("hugebar map, where it cannot", () => {
  it("exits 3 without a device", () => {
    fails(["map", `vfio-user:${socket}`, "--region", "2"], 3, /Cannot open vfio-user:.*no such socket/);
  });

  it("exits 2 for what is no device, and no region", async () => {
    fails(["map", "gpu", "--region", "2"], 2, /gpu/);
    await serve("--region", "2:1G");
    fails(["map", `vfio-user:${socket}`, "--region", "two"], 2, /region's index "two"/);
    fails(["map", `vfio-user:${socket}`, "--region", "99"], 2, /region 99 of vfio-user:/);
    fails(["map", `vfio-user:${socket}`, "--region", "1"], 2, /region 1 of .*: the device does not have it/);
  });

  it("exits 1 where the device's areas make no sense", async () => {
    fails(
      ["serve", "--socket", socket, "--region", "2:1G", "--area", "2:0:8K", "--area", "2:4K:4K"],
      1,
      /area 1 .* overlaps area 0/,
    );
    assert.equal(existsSync(socket), false);
  });
});

describe("hugebar serve, where it cannot", () => {
  it("exits 5 where another one serves, which goes on", async () => {
    await serve("--region", "2:1G");
    fails(["serve", "--socket", socket, "--region", "2:1G"], 5, /another server listens there/);
    assert.equal(tool.run(["map", `vfio-user:${socket}`, "--region", "2"]).status, 0);
  });

  it("leaves a file alone that is no socket", () => {
    writeFileSync(socket, "mine");
    fails(["serve", "--socket", socket, "--region", "2:1G"], 5, /no socket/);
    assert.equal(readFileSync(socket, "utf8"), "mine");
  });

  it("exits 2 where the command line makes no sense", () => {
    fails(["serve", "--socket", socket, "--region", "2:1G", "--area", "1:0:4K"], 2, /--area 1:0:4K/);
    fails(["serve", "--socket", socket, "--region", "9:1G"], 2, /region 9/);
    fails(["serve", "--socket", socket, "--region", "2:1G", "--region", "2:2G"], 2, /region 2.*twice/);
    fails(["serve", "--socket", socket, "--region", "2:0"], 2, /--region 2:0: a region has a byte or more/);
    fails(["serve", "--socket", `/tmp/${"x".repeat(120)}`, "--region", "2:1G"], 2, /Unix sockets allow 107/);
    assert.equal(existsSync(socket), false);
  });

  it("replaces the socket of a server that was killed", async () => {
    const server = await serve("--region", "2:1G");
    await end(server, "SIGKILL");
    assert.ok(existsSync(socket));
    await serve("--region", "2:1G");
    assert.equal(tool.run(["map", `vfio-user:${socket}`, "--region", "2"]).status, 0);
  });
});
