import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { stripVTControlCharacters } from "node:util";
import { inspectMachine } from "../../inspect/inspect.ts";
import { inspectionText } from "./inspection-text.ts";

const MACHINES = new URL("../../../test/machines/", import.meta.url).pathname;
const options = { width: 100, fit: false, colour: false, all: false };

function inspect(machine: string, pids: readonly number[] | null = null) {
  return inspectMachine({ proc: `${MACHINES}${machine}/proc`, sys: `${MACHINES}${machine}/sys` }, pids);
}

describe("inspectionText", () => {
  it("shows what falls short and what to do, and counts the rest", () => {
    assert.equal(
      inspectionText(inspect("gb200-64k"), options),
      `\
 PID  COMMAND          DEVICE        REGION     SIZE           FAULTS         PAGE TABLES     VMPTE  VERDICT  EVIDENCE  REASONS
4100  qemu-system-aar  0009:01:00.0  ?       188 GiB  3,080,432 → 616  23.6 MiB → 128 KiB  23.7 MiB  small    version   misaligned

misaligned (4100 region ?): the mapping starts 0x1f000000 past a 512 MiB boundary: use QEMU 11 or
  newer, which aligns whole regions; older ones align each mapping by its own size at best.

2 regions mapped by 2 processes: 1 small, 1 huge (--all shows them).
`,
    );
  });

  it("gives the same counsel once, wherever each of many misses", (test) => {
    const folder = mkdtempSync(join(tmpdir(), "hugebar-counsel-"));
    test.after(() => rmSync(folder, { recursive: true }));
    cpSync(`${MACHINES}x86-qemu`, folder, { recursive: true, verbatimSymlinks: true });
    const proc = join(folder, "proc");
    const maps = readFileSync(join(proc, "2072/maps"), "utf8");
    for (const [pid, moved] of [
      [3001, "7e"],
      [3002, "7d"],
    ] as const) {
      cpSync(join(proc, "2072"), join(proc, String(pid)), { recursive: true, verbatimSymlinks: true });
      // Elsewhere, and 2 MiB further off.
      const place = (address: string): string =>
        (BigInt(`0x${address.replace(/^7f/, moved)}`) + 0x20_0000n).toString(16);
      writeFileSync(
        join(proc, `${pid}/maps`),
        maps.replaceAll(
          /^([0-9a-f]+)-([0-9a-f]+)/gm,
          (_, start: string, end: string) => `${place(start)}-${place(end)}`,
        ),
      );
    }
    const inspection = inspectMachine({ proc, sys: join(folder, "sys") }, null);
    const advice = inspectionText(inspection, { ...options, width: 1000 })
      .split("\n")
      .filter((line) => line.startsWith("misaligned"));
    assert.equal(advice.length, 2, advice.join("\n"));
    assert.match(
      advice[0] ?? "",
      /^misaligned \(2072 region 1 and 2 others\): the mappings start off their boundaries, the first 0x3fe5f000 past a 1 GiB boundary: use QEMU 9\.2 or newer/,
    );
    assert.match(
      advice[1] ?? "",
      /^misaligned \(2100 region 2\): the mapping starts 0x3f100000 past a 1 GiB boundary: use QEMU 11 /,
    );
    // The library and JSON tell of each by itself.
    const misses = inspection.processes.flatMap(({ mappings }) =>
      mappings.flatMap(({ reasons }) => reasons.map((reason) => reason.advice.slice(0, 40))),
    );
    assert.ok(new Set(misses).size > 2, misses.join("\n"));
  });

  it("counts what maps wrong memory, too", () => {
    const text = inspectionText(inspect("huge-pfnmap-regressions/6.12.5-misaligned"), options);
    assert.match(text, /^1 region mapped by 1 process: 1 wrong\.$/m);
  });

  it("lets no process write to the terminal", () => {
    const text = inspectionText(inspect("x86-mixed"), { ...options, all: true });
    assert.ok(text.includes("a tool with\\x0alines"));
    assert.ok(/^[^\p{C}]*$/mu.test(text));
  });

  it("colours the verdict alone, and only if asked to", () => {
    const plain = inspectionText(inspect("x86-qemu"), options);
    const coloured = inspectionText(inspect("x86-qemu"), { ...options, colour: true });
    assert.notEqual(coloured, plain);
    assert.equal(stripVTControlCharacters(coloured), plain);
  });

  it("has no line longer than the terminal, and says what there is no room for", () => {
    for (const width of [120, 80, 40]) {
      const text = inspectionText(inspect("x86-madvise"), { ...options, width, fit: true });
      assert.ok(
        text.split("\n").every((line) => line.length <= width),
        text,
      );
      assert.match(text, /^There is no room here for VMPTE(?:,\s[^.]*)?\.$/m);
    }
    assert.doesNotMatch(
      inspectionText(inspect("x86-madvise"), { ...options, width: 200, fit: true }),
      /no room/,
    );
  });

  it("tells holders apart by whose they are", () => {
    const folder = mkdtempSync(join(tmpdir(), "hugebar-owners-"));
    try {
      cpSync(`${MACHINES}x86-qemu`, folder, { recursive: true, verbatimSymlinks: true });
      const machine = String.raw`0::/machine.slice/machine-qemu\x2d3\x2dweb\x2d01.scope/libvirt/emulator`;
      writeFileSync(join(folder, "proc/2072/cgroup"), `${machine}\n`);
      const inspection = inspectMachine({ proc: join(folder, "proc"), sys: join(folder, "sys") });
      const text = inspectionText(inspection, options);
      assert.match(text, /^ PID {2}COMMAND {10}OWNER {10}DEVICE /m);
      assert.match(text, /^2072 {2}qemu-system-x86 {2}domain web-01 {2}0000:01:00\.0 /m);
      assert.match(text, /^2100 {2}qemu-system-x86 {17}0000:02:00\.0 /m);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("says so when nothing is mapped", () => {
    assert.equal(
      inspectionText(inspect("x86-mixed", [370]), options),
      "No device memory is mapped by the process.\n",
    );
  });
});
