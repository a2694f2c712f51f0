import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { missingProgram } from "../missing-program.ts";
import { assertGolden, timeless } from "../golden.ts";
import { buildTool, type BuiltTool } from "./built-tool.ts";

let tool: BuiltTool;
let folder: string;

before(() => {
  tool = buildTool();
  folder = mkdtempSync(join(tmpdir(), "hugebar-inspect-"));
});
after(() => {
  rmSync(folder, { recursive: true });
});

const machines = new URL("../machines/", import.meta.url).pathname;

function rootsOf(machine: string): string[] {
  return ["--proc", `${machines}${machine}/proc`, "--sys", `${machines}${machine}/sys`];
}

function golden(name: string): URL {
  return new URL(`golden/${name}`, import.meta.url);
}

describe("hugebar inspect", () => {
  for (const machine of ["gb200-64k", "x86-qemu", "x86-madvise", "x86-old", "x86-mixed"]) {
    it(`tells about the recorded machine ${machine}`, () => {
      const { stdout, stderr, status } = tool.run(["inspect", ...rootsOf(machine)]);
      assert.deepEqual([status, stderr], [0, ""]);
      assertGolden(golden(`inspect-${machine}.txt`), stdout);
      assertGolden(
        golden(`inspect-${machine}-all.txt`),
        tool.run(["inspect", "-a", ...rootsOf(machine)]).stdout,
      );
    });
  }

  it("gives the JSON that stands beside the recorded machine", () => {
    const { stdout } = tool.run(["inspect", "--json", ...rootsOf("gb200-64k")]);
    // The library's JSON has no version, the tool's has one.
    const versionless = stdout.replace(/^ {2}"version": .*\n/m, "");
    assertGolden(new URL("../machines/golden/gb200-64k.json", import.meta.url), versionless);
  });

  it("checks: 1 where anything falls short, 0 where nothing does", () => {
    const check = (...words: string[]) =>
      tool.run(["inspect", "--check", ...rootsOf("gb200-64k"), ...words]).status;
    assert.equal(check(), 1);
    assert.equal(check("4100"), 1);
    assert.equal(check("4200"), 0);
  });

  it("knows a process that is not there, and what is no process", () => {
    const { status, stdout, stderr } = tool.run(["inspect", ...rootsOf("gb200-64k"), "999", "999"]);
    assert.equal(status, 3);
    assert.equal(stderr, "hugebar: There is no process 999\n");
    assert.equal(stdout.match(/^ *999 .* no such process$/gm)?.length, 1, "a process given twice is one");
    assert.equal(
      tool.run(["inspect", "self"]).stderr,
      'hugebar: Cannot use process "self": give its number\n',
    );
    assert.equal(tool.run(["inspect", "--proc", "/nowhere"]).status, 2);
    assert.equal(tool.run(["inspect", "--watch", "--json"]).status, 2);
  });

  it("looks at this machine", () => {
    const { status, stderr, stdout } = tool.run(["inspect", "--json"]);
    assert.deepEqual([status, stderr], [0, ""]);
    assert.match(stdout, /"schemaVersion": 1/);
  });

  it("shows what may not be looked at where nothing is mapped", () => {
    const machine = join(folder, "blind");
    mkdirSync(join(machine, "proc/7"), { recursive: true });
    mkdirSync(join(machine, "sys"));
    writeFileSync(join(machine, "proc/7/comm"), "gpu-driver\n");
    writeFileSync(join(machine, "proc/7/refused"), "not-permitted\n");
    const roots = ["--proc", join(machine, "proc"), "--sys", join(machine, "sys")];
    const all = tool.run(["inspect", "--all", ...roots]);
    assert.equal(all.status, 0);
    assert.match(
      all.stdout,
      /^ *7 +gpu-driver .* not permitted\n\n1 process may not be looked at: run hugebar as root/m,
    );
    assert.equal(tool.run(["inspect", "--check", ...roots]).status, 4);
  });

  it("says once that there is no such process, and nothing of how many there are", () => {
    const { status, stdout, stderr } = tool.run(["inspect", "99999999"]);
    assert.match(stdout, /^ *PID .*\n99999999 .* no such process *\n$/);
    assert.deepEqual([status, stderr], [3, "hugebar: There is no process 99999999\n"]);
  });

  it("does not call good what may be hidden from it (hidepid)", () => {
    const machine = join(folder, "hidepid");
    mkdirSync(join(machine, "proc/7"), { recursive: true });
    mkdirSync(join(machine, "sys"));
    writeFileSync(join(machine, "proc/7/comm"), "sh\n");
    writeFileSync(join(machine, "proc/7/maps"), "");
    const about = join(machine, "proc/hugebar-record");
    writeFileSync(about, "processes: 12\n");
    const roots = ["--proc", join(machine, "proc"), "--sys", join(machine, "sys")];
    const check = (...words: string[]) => tool.run(["inspect", "--check", ...roots, ...words]);
    assert.deepEqual([check().status, check("7").status], [0, 0]);
    writeFileSync(about, "processes: 12\nhidden: yes\n");
    assert.deepEqual([check().status, check("7").status], [4, 0]);
    assert.match(check("--json").stdout, /"hidden": true/);
    assert.equal(
      check().stdout.replaceAll(/\s+/g, " "),
      "No device memory is mapped by the 12 processes that can be seen. Other processes may be hidden, for /proc is " +
        "mounted with hidepid: run hugebar as root, with CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH, to see all. ",
    );
    const { status, stderr } = check("9");
    assert.deepEqual(
      [status, stderr],
      [3, "hugebar: There is no process 9, or it is hidden: /proc is mounted with hidepid\n"],
    );
    const doctor = tool.run(["doctor", ...roots]);
    assert.equal(doctor.status, 4);
    assert.match(
      doctor.stdout.replaceAll(/\s+/g, " "),
      /may be there, and hidden: \/proc is mounted with hidepid/,
    );
  });

  it("watches until a signal", async () => {
    const child = tool.start(["inspect", "--watch", ...rootsOf("gb200-64k")]);
    assert.ok(child.stdout);
    const ended = once(child, "exit");
    await Promise.race([once(child.stdout, "data"), ended]);
    child.kill("SIGTERM");
    await ended;
    assert.equal(child.exitCode, 128 + 15);
  });
});

describe("the rights of who looks", () => {
  const isRoot = process.getuid?.() === 0;
  const skip = isRoot ? missingProgram("setpriv") : "needs root, to give rights away";

  /** Runs the tool as nobody, with these rights alone. */
  function asNobody(capabilities: string, ...words: string[]): { status: number | null; stdout: string } {
    const caps = capabilities === "" ? [] : ["--inh-caps", capabilities, "--ambient-caps", capabilities];
    const { status, stdout } = spawnSync(
      "setpriv",
      [
        "--reuid",
        "65534",
        "--regid",
        "65534",
        "--clear-groups",
        ...caps,
        process.execPath,
        tool.main,
        ...words,
      ],
      { encoding: "utf8", env: { ...process.env, LC_ALL: "C.UTF-8" } },
    );
    return { status, stdout };
  }

  it("are named where they lack, and each alone shows what it can", { skip }, async () => {
    const socket = join(folder, "rights.sock");
    const server = tool.start(["serve", "--socket", socket, "--region", "2:16M"]);
    const holder = await startedBehind(server, ["map", `vfio-user:${socket}`, "--region", "2", "--hold"]);
    try {
      for (const path of [folder, join(tool.main, "../../..")]) chmodSync(path, 0o755);
      const pid = String(holder.pid);
      for (const lacking of ["", "+dac_read_search"]) {
        const { status, stdout } = asNobody(lacking, "inspect", "--check", pid);
        assert.equal(status, 4, stdout);
        assert.match(stdout, /CAP_SYS_PTRACE and\s+CAP_DAC_READ_SEARCH/);
        assert.equal(asNobody(lacking, "inspect", "--check").status, 4);
      }
      // The mappings are read, the open files are not: whose memory it is stays unknown.
      const ptrace = asNobody("+sys_ptrace", "inspect", "--json", pid);
      assert.equal(ptrace.status, 0);
      assert.match(ptrace.stdout, /"device": null,\n *"region": 2,/);
      const both = asNobody("+sys_ptrace,+dac_read_search", "inspect", "--json", pid);
      assert.match(both.stdout, new RegExp(`"device": "vfio-user:${socket}",\n *"region": 2,`));
    } finally {
      holder.kill();
      server.kill();
    }
  });
});

describe("hugebar record", () => {
  it("saves a machine that inspect then reads the same", () => {
    const copy = join(folder, "copy");
    const { status, stderr } = tool.run(["record", copy, ...rootsOf("x86-qemu")]);
    assert.deepEqual(
      [status, stderr],
      [0, `hugebar: Recorded in ${copy}: 3 PCI devices; processes that map device memory: 3\n`],
    );
    const { stdout } = tool.run(["inspect", "--proc", `${copy}/proc`, "--sys", `${copy}/sys`]);
    assertGolden(golden("inspect-x86-qemu.txt"), stdout);
    assert.equal(tool.run(["record", copy]).status, 2);
  });

  it("saves of this machine what inspect says here", async () => {
    const socket = join(folder, "gpu.sock");
    const server = tool.start(["serve", "--socket", socket, "--region", "2:16M"]);
    const holder = await startedBehind(server, ["map", `vfio-user:${socket}`, "--region", "2", "--hold"]);
    try {
      const pid = String(holder.pid);
      const copy = join(folder, "live");
      assert.equal(tool.run(["record", copy]).status, 0);
      const live = tool.run(["inspect", "--json", pid]).stdout;
      assert.match(live, new RegExp(`"host": "${hostname()}",\n *"time": "20`));
      assert.match(live, new RegExp(`"device": "vfio-user:${socket}",\n *"region": 2,`));
      const roots = ["--proc", `${copy}/proc`, "--sys", `${copy}/sys`];
      assert.equal(timeless(tool.run(["inspect", "--json", pid, ...roots]).stdout), timeless(live));
      const recorded = readdirSync(copy, { recursive: true, encoding: "utf8" }).filter((name) =>
        name.startsWith(`proc/${server.pid}`),
      );
      assert.deepEqual(recorded, [], "nothing of a process that maps no device memory");
    } finally {
      holder.kill();
      server.kill();
    }
  });
});

/** Starts the tool once the child has said something, and waits until it says something too. */
async function startedBehind(child: ChildProcess, words: readonly string[]): Promise<ChildProcess> {
  await said(child);
  const started = tool.start(words);
  await said(started);
  return started;
}

async function said({ stderr }: ChildProcess): Promise<void> {
  assert.ok(stderr);
  await once(stderr, "data");
}
