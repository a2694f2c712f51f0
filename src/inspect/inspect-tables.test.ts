import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import fc from "fast-check";
import { assertGolden } from "../../test/golden.ts";
import { HugebarError } from "../errors.ts";
import type { InspectedProcess, Inspection } from "./inspection.ts";
import { inspectMachine } from "./inspect.ts";
import { inspectTables } from "./inspect-tables.ts";
import { inspectionJson } from "./inspection-json.ts";
import type { InspectedMapping } from "./judge/region-mappings.ts";
import { recordedTablesText, readRecordedTables, RECORDED_TABLES } from "./tables/recorded-tables.ts";

const machines = new URL("../../test/machines/", import.meta.url);
const machine = new URL("x86-tables/", machines).pathname;
const scratch = mkdtempSync(join(tmpdir(), "hugebar-tables-"));
after(() => {
  rmSync(scratch, { recursive: true });
});

function inspected(folder = machine): Inspection {
  return inspectTables(inspectMachine({ proc: join(folder, "proc"), sys: join(folder, "sys") }));
}

function processOf({ processes }: Inspection, pid: number): InspectedProcess {
  const found = processes.find((process) => process.pid === pid);
  assert.ok(found !== undefined);
  return found;
}

function inWords({ verdict, reasons }: Pick<InspectedMapping, "verdict" | "reasons">): string {
  return reasons.length === 0 ? verdict : `${verdict}: ${reasons.map(({ code }) => code).join(", ")}`;
}

describe("inspectTables", () => {
  it("says of a recorded machine what it said of the machine", () => {
    const json = inspectionJson(inspected());
    const processes = "processes" in json ? json.processes : null;
    assertGolden(new URL("golden/x86-tables.json", machines), `${JSON.stringify(processes, null, 2)}\n`);
  });

  it("lets what is there outweigh the rule", () => {
    const { mappings, guests } = processOf(inspected(), 2111);
    assert.deepEqual(mappings.map(inWords), ["huge", "small: tables-smaller"]);
    assert.deepEqual(guests?.pieces?.map(inWords), ["huge", "partial: guest-split"]);
    assert.equal(guests?.secondStage?.bytes, 118_784);
  });

  it("gives no figure for what changed while it was read", () => {
    const { mappings } = processOf(inspected(), 2100);
    const [bar] = mappings;
    assert.deepEqual(
      [bar?.tables?.state, bar?.tables?.leaves, bar?.tables?.difference],
      ["changed", null, null],
    );
    assert.ok(bar?.reasons.some(({ code }) => code === "tables-changed"));
  });

  it("says that a machine was recorded without them", () => {
    const plain = new URL("x86-qemu/", machines).pathname;
    assert.throws(() => inspected(plain), { code: "ERR_ARGUMENT", message: /record --tables/ });
  });

  it("reads back what it wrote, and nothing else", () => {
    const read = readRecordedTables(join(machine, "proc"), 2111);
    assert.ok(read !== null);
    const folder = join(scratch, "again");
    cpSync(join(machine, "proc/2111"), join(folder, "2111"), { recursive: true });
    writeFileSync(join(folder, "2111", RECORDED_TABLES), recordedTablesText(read));
    assert.deepEqual(readRecordedTables(folder, 2111), read);
  });

  it("survives a recording that lies, with an error that says which file", () => {
    const folder = join(scratch, "lies");
    cpSync(machine, folder, { recursive: true, verbatimSymlinks: true });
    const file = join(folder, "proc/2111", RECORDED_TABLES);
    const whole = readFileSync(file, "utf8");
    const lies = ["-1", "1e300", "null", '"x"', "[]", "{}", "9007199254740991", "0", '"0xffffffffffffffff"'];
    fc.assert(
      fc.property(fc.nat(), fc.constantFrom(...lies), fc.nat(whole.length), (place, lie, cut) => {
        const numbers = [...whole.matchAll(/(?<=[:,[])("0x[0-9a-f]+"|-?\d+)/g)];
        const match = numbers[place % numbers.length];
        const at = match?.index ?? 0;
        const text = whole.slice(0, at) + lie + whole.slice(at + (match?.[0].length ?? 0));
        writeFileSync(file, place % 5 === 0 ? text.slice(0, cut) : text);
        try {
          inspectionJson(inspected(folder));
        } catch (error) {
          assert.ok(error instanceof HugebarError, String(error));
        }
      }),
      { numRuns: 150 },
    );
  });
});
