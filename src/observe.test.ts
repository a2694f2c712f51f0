import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { doctor, inspect, recordMachine, trace } from "./index.ts";
import { documentedKeys, keysOf } from "../test/support/json-keys.ts";

const folder = mkdtempSync(join(tmpdir(), "hugebar-observe-"));
after(() => rmSync(folder, { recursive: true }));

function recorded(name: string) {
  const machine = new URL(`../test/machines/${name}/`, import.meta.url).pathname;
  return { proc: join(machine, "proc"), sys: join(machine, "sys") };
}

/** What the tool prints; its exit code says what it found. */
function toolJson(...words: string[]): string {
  const main = new URL("cli/main.ts", import.meta.url).pathname;
  return spawnSync(process.execPath, [main, ...words, "--json"], { encoding: "utf8" }).stdout;
}

describe("inspect()", () => {
  const machine = recorded("x86-tables");
  const options = ["--proc", machine.proc, "--sys", machine.sys];

  it("gives what the tool prints", () => {
    assert.deepEqual(inspect(machine), JSON.parse(toolJson("inspect", ...options)));
    const read = inspect({ ...machine, tables: true, pids: [2111, 2111] });
    assert.deepEqual(read, JSON.parse(toolJson("inspect", "2111", "--tables", ...options)));
    assert.equal(read.processes.length, 1);
  });

  it("is JSON: numbers and strings, nothing that gets lost on the way", () => {
    const report = inspect({ ...machine, tables: true });
    assert.deepEqual(JSON.parse(JSON.stringify(report)), report);
  });

  it("gives a row to a process that is not there, where it was asked for", () => {
    const { processes } = inspect({ pids: [999_999_999] });
    assert.deepEqual(
      processes.map(({ pid, refused }) => [pid, refused]),
      [[999_999_999, "gone"]],
    );
  });

  it("looks at this machine unless told otherwise", () => {
    assert.equal(inspect().kernel, readFileSync("/proc/sys/kernel/osrelease", "utf8").trim());
    assert.ok(inspect({ smaps: false }).summary.processes > 0);
  });
});

describe("doctor()", () => {
  it("gives what the tool prints", () => {
    const machine = recorded("x86-madvise");
    const text = toolJson("doctor", "--proc", machine.proc, "--sys", machine.sys);
    assert.deepEqual(doctor(machine), JSON.parse(text));
  });
});

describe("recordMachine()", () => {
  it("saves what inspect() and doctor() then say the same of", () => {
    const machine = recorded("x86-qemu");
    const copy = { proc: join(folder, "copy/proc"), sys: join(folder, "copy/sys") };
    const { processes, devices } = recordMachine(join(folder, "copy"), machine);
    assert.ok(processes > 0 && devices > 0);
    assert.deepEqual(inspect(copy), inspect(machine));
    assert.deepEqual(doctor(copy), doctor(machine));
    assert.throws(() => recordMachine(join(folder, "copy")), {
      code: "ERR_ARGUMENT",
      message: /it is not empty/,
    });
  });
});

describe("trace()", () => {
  it("wants an end, and says what this machine lacks, or ends when it is told", async () => {
    await assert.rejects(trace({}), { code: "ERR_ARGUMENT", message: /give seconds, a signal, or both/ });
    try {
      const report = await trace({ signal: AbortSignal.abort(), seconds: 1000 });
      const known = new Set(documentedKeys("trace"));
      assert.ok(keysOf(JSON.stringify(report)).every((key) => known.has(key)));
    } catch (error) {
      assert.match(String(error), /Cannot trace faults on device memory: /);
    }
  });
});

describe("the examples in the docstrings", () => {
  const source = readFileSync(new URL("observe.ts", import.meta.url), "utf8");
  const examples = [...source.matchAll(/\* ```ts\n([^]*?)\* ```/g)].map(([, block = ""]) =>
    block.replaceAll(/^ \* ?/gm, "").replaceAll("/tmp/machine", join(folder, "example")),
  );

  it("run", () => {
    assert.equal(examples.length, 4);
    for (const example of examples) {
      const program = join(folder, "example.ts");
      const names = "doctor, inspect, recordMachine, trace";
      writeFileSync(program, `import { ${names} } from "${import.meta.resolve("./index.ts")}";\n${example}`);
      const { status, stderr } = spawnSync(process.execPath, [program], { encoding: "utf8" });
      // A machine may have no VFIO, or give its tracefs to root only.
      const mayLack = example.includes("trace(") && /code: 'ERR_(?:NOT_SUPPORTED|PERMISSION)'/.test(stderr);
      if (!mayLack) assert.equal(status, 0, stderr);
    }
  });
});
