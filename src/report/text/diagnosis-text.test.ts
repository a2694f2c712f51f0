import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { shortened, type Finding } from "../../inspect/finding.ts";
import { diagnose } from "../../inspect/doctor.ts";
import { diagnosisText } from "./diagnosis-text.ts";

const MACHINES = new URL("../../../test/machines/", import.meta.url).pathname;
const scratch = mkdtempSync(join(tmpdir(), "hugebar-diagnosis-"));
after(() => {
  rmSync(scratch, { recursive: true });
});

describe("diagnosisText", () => {
  it("is one page for 123 virtual machines", () => {
    const folder = join(scratch, "many");
    cpSync(`${MACHINES}x86-qemu`, folder, { recursive: true, verbatimSymlinks: true });
    for (let number = 0; number < 120; number += 1) {
      const from = join(folder, `proc/${["2072", "2100", "2111"][number % 3]}`);
      cpSync(from, join(folder, `proc/${5000 + number}`), { recursive: true, verbatimSymlinks: true });
      // Each address misses in its own way.
      const maps = join(folder, `proc/${5000 + number}/maps`);
      const shift = (BigInt(number) * 0x1000n).toString(16).padStart(6, "0");
      writeFileSync(maps, readFileSync(maps, "utf8").replaceAll("7e4bbfe5f000", `7e4bbf${shift}`));
      writeFileSync(join(folder, `proc/${5000 + number}/hugebar-owner`), `domain\nvm-${number}\n\n`);
    }
    const diagnosis = diagnose({ proc: join(folder, "proc"), sys: join(folder, "sys") });
    const processes = diagnosis.findings.filter(({ topic }) => topic === "process");
    assert.equal(processes.filter(({ state }) => state === "good").length, 1);
    assert.ok(
      processes.some(({ text }) => /^small, misaligned: .* in 2100 qemu-system-x86, .* others$/.test(text)),
      processes.map(({ text }) => text).join("\n"),
    );
    for (const width of [100, 80]) {
      const lines = diagnosisText(diagnosis, { width, fit: true, colour: false }).split("\n");
      assert.ok(lines.length <= 60, `${lines.length} lines`);
    }
  });

  it("is one page however many causes there are, and counts all of them", () => {
    const finding = (state: "problem" | "note", topic: "process" | "device", number: number): Finding => ({
      topic,
      state,
      text: `${state} ${number} of region 2 of 0000:01:00.0 in 4001 a-program (domain vm-with-a-long-name)`,
      todo: `do what is to be done about ${topic} ${number}, which takes more than a line of a narrow terminal`,
    });
    const numbers = Array.from({ length: 30 }, (_, index) => index);
    const some = ["process", "device"] as const;
    const findings = some.flatMap((topic) =>
      shortened(
        numbers.map((number) => finding(number < 20 ? "problem" : "note", topic, number)),
        15,
        "hugebar inspect",
      ),
    );
    const diagnosis = { ...diagnose({ proc: scratch, sys: scratch }), findings };
    for (const width of [100, 80, 60]) {
      const text = diagnosisText(diagnosis, { width, fit: true, colour: false });
      assert.ok(text.split("\n").length <= 61, text);
      assert.match(text, /^40 problems found/m);
      assert.match(text, /process 0,/);
      assert.match(text, /device 0,/);
    }
  });
});
