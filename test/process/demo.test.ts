import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { after, before, describe, it } from "node:test";
import { pagingModels } from "../../src/layout/paging.ts";
import { planRegion } from "../../src/layout/plan.ts";
import { buildTool, type BuiltTool } from "./built-tool.ts";

let tool: BuiltTool;
let folder: string;

before(() => {
  tool = buildTool();
  folder = mkdtempSync(join(tmpdir(), "hugebar-test-"));
});
after(() => {
  rmSync(folder, { recursive: true });
});

interface Measured {
  readonly predicted: number;
  readonly measured: number;
}

interface DemoJson {
  readonly arch: keyof typeof pagingModels;
  readonly region: { readonly size: number; readonly areas: readonly { offset: number; size: number }[] };
  readonly strategies: readonly {
    readonly strategy: "none" | "area" | "region";
    readonly vma: string;
    readonly address: string;
    readonly alignment: number;
    readonly alignmentReached: number;
    readonly leaves: unknown;
    readonly faults: number;
    readonly pageTableBytes: number;
    readonly measurement: {
      readonly measuredBy: string;
      readonly faults: Measured;
      readonly pageTableBytes: Measured;
    } | null;
  }[];
  readonly hindrance: string | null;
}

/** Runs the demo with a temporary folder of its own, where nothing may be left. */
function demo(...words: string[]): string {
  const { status, stdout, stderr } = tool.run(["demo", ...words], { env: { TMPDIR: folder } });
  assert.deepEqual([status, stderr], [0, ""]);
  assert.deepEqual(readdirSync(folder), []);
  return stdout;
}

describe("hugebar demo", () => {
  it("maps the region for real, and region never falls short of its promise", () => {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the assertions that follow are the check
    const { arch, region, strategies, hindrance } = JSON.parse(demo("--json")) as DemoJson;
    assert.deepEqual(
      strategies.map(({ strategy }) => strategy),
      ["none", "area", "region"],
    );
    for (const row of strategies) {
      const plan = planRegion(region, row.strategy, pagingModels[arch]);
      const end = BigInt(row.address) + 0x2f00f00000n;
      const range = `${BigInt(row.address).toString(16)}-${end.toString(16)} rw-s 00000000 `;
      assert.ok(row.vma.startsWith(range), row.vma);
      assert.equal(BigInt(row.address) % BigInt(row.alignmentReached), 0n);
      assert.ok(row.alignmentReached >= row.alignment);
      assert.ok(row.faults <= plan.faults);
      // An address that the strategy leaves open may straddle a table more at either end.
      assert.ok(row.pageTableBytes <= plan.pageTableBytes + 4 * pagingModels[arch].pageSize);
      assert.equal(row.measurement === null, hindrance !== null);
    }
    const last = strategies.at(-1);
    const plan = planRegion(region, "region", pagingModels[arch]);
    assert.deepEqual(
      [last?.leaves, last?.faults, last?.pageTableBytes],
      [plan.leaves, plan.faults, plan.pageTableBytes],
    );
  });

  it("measures what it predicts, where this machine has huge pages for shared memory", (test) => {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the assertions that follow are the check
    const { strategies, hindrance } = JSON.parse(demo("-j")) as DemoJson;
    if (hindrance !== null) {
      test.skip(hindrance);
      return;
    }
    for (const { strategy, measurement } of strategies) {
      assert.ok(measurement !== null);
      const { faults, measuredBy } = measurement;
      if (measuredBy === "addresses") {
        assert.equal(faults.measured, faults.predicted, strategy);
        continue;
      }
      // The engine may take a few faults of its own; a leaf of the wrong size would cost 512 times as many.
      assert.ok(faults.measured >= faults.predicted, `${strategy}: ${faults.measured}`);
      assert.ok(faults.measured < faults.predicted + 1024, `${strategy}: ${faults.measured}`);
    }
  });

  it("leaves nothing behind when a signal ends it, whenever that is", async () => {
    for (const milliseconds of [80, 120, 160, 240, 320]) {
      const child = tool.start(["demo"], { TMPDIR: folder });
      const exit = once(child, "exit");
      await setTimeout(milliseconds);
      child.kill("SIGINT");
      await exit;
      // Before it was ready for signals, after it, or too late for this one.
      assert.ok(child.signalCode === "SIGINT" || child.exitCode === 130 || child.exitCode === 0);
      assert.deepEqual(readdirSync(folder), []);
    }
  });

  it("shows it in one table, with a picture", () => {
    const text = demo();
    const vma = /[0-9a-f]+-[0-9a-f]+ rw-s/.source;
    assert.match(text, new RegExp(`^none +${vma} +\\d`, "m"));
    assert.match(text, new RegExp(`^area +${vma} +\\d`, "m"));
    assert.match(text, new RegExp(`^region +${vma} +1 GiB +1 GiB `, "m"));
    assert.match(text, /^region {2}[█▓░·]+ {2}[\d,]+ faults$/m);
    assert.match(text, /^(?:Measured on this machine: |Not measured: )/m);
  });
});
