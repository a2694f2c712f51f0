import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { deviceIndex } from "../inspect/identify/device-index.ts";
import { inspectTables } from "../inspect/inspect-tables.ts";
import { inspectMachine } from "../inspect/inspect.ts";
import type { InspectedProcess } from "../inspect/inspection.ts";
import type { InspectedMapping } from "../inspect/judge/region-mappings.ts";
import { pagingModels } from "../layout/paging.ts";
import { deviceMetrics } from "./device-metrics.ts";
import { faultMetrics } from "./fault-counters.ts";
import type { Family } from "./families.ts";
import { metricsOf, scanMetrics } from "./scan.ts";

const MACHINES = fileURLToPath(new URL("../../test/machines/", import.meta.url));
const rootsOf = (machine: string) => ({
  proc: join(MACHINES, machine, "proc"),
  sys: join(MACHINES, machine, "sys"),
});
const machines = readdirSync(MACHINES).filter((name) => name !== "golden");

function samplesOf(families: readonly Family[], name: string) {
  return families.find((family) => family.name === name)?.samples ?? [];
}

describe("scanMetrics", () => {
  for (const machine of machines) {
    it(`says of ${machine} what inspect says`, () => {
      const roots = rootsOf(machine);
      const { families } = scanMetrics(roots);
      const { processes } = inspectMachine(roots);
      const mappings = processes.flatMap((process) => process.mappings);
      const bytes = mappings.flatMap(({ vmas }) => vmas).reduce((sum, { size }) => sum + size, 0);
      const sumOf = (name: string, state: string): number =>
        samplesOf(families, name)
          .filter(({ labels }) => labels["state"] === state)
          .reduce((sum, { value }) => sum + value, 0);
      assert.equal(
        samplesOf(families, "hugebar_mapped_bytes").reduce((sum, { value }) => sum + value, 0),
        bytes,
      );
      assert.equal(
        sumOf("hugebar_mapping_faults", "now"),
        mappings.reduce((sum, { now }) => sum + (now?.faults ?? 0), 0),
      );
      assert.equal(
        sumOf("hugebar_mapping_faults", "best"),
        mappings.reduce((sum, { best }) => sum + (best?.faults ?? 0), 0),
      );
      const worst = samplesOf(families, "hugebar_mapping_verdict").filter(({ value }) => value === 1);
      assert.equal(
        worst.length,
        samplesOf(families, "hugebar_mapped_bytes").length,
        "one verdict for each region",
      );
    });
  }

  it("has the same labels in all samples of a family, no sample twice, and no address or process number but in _info", () => {
    for (const machine of machines) {
      for (const { name, samples } of scanMetrics(rootsOf(machine)).families) {
        const labels = samples.map((sample) => Object.keys(sample.labels).sort().join());
        assert.ok(new Set(labels).size <= 1, name);
        assert.equal(
          new Set(samples.map((sample) => JSON.stringify(sample.labels))).size,
          samples.length,
          name,
        );
        if (!name.endsWith("_info")) assert.doesNotMatch(labels[0] ?? "", /pid|address/, name);
        for (const { value } of samples) assert.ok(Number.isFinite(value), name);
      }
    }
  });

  it("has the unit in each name, and each name in docs/fleet.md, which has no other", () => {
    const counters = faultMetrics({ tallies: [], lost: 0 }, pagingModels["x86-64"]);
    const families = [...machines.flatMap((machine) => scanMetrics(rootsOf(machine)).families), ...counters];
    const names = new Set(families.map(({ name }) => name));
    // What has no unit is a count, a state or a fact.
    const counts = "leaves|faults|steps|processes|bars";
    const facts = "verdict|reason|setting|gate|supported";
    const named = new RegExp(`_(?:bytes|seconds|total|ratio|info|${counts}|${facts})$`);
    for (const name of names) assert.match(name, named);
    const manual = readFileSync(new URL("../../docs/fleet.md", import.meta.url), "utf8");
    const rows = manual.split("\n").filter((line) => line.startsWith("| `hugebar_"));
    const documented = rows.flatMap((row) => (row.split("|")[1] ?? "").match(/hugebar_\w+/g) ?? []);
    // Those of the exporter itself: see exposition.ts, scanner.ts, fault-counters.ts.
    const own =
      /^hugebar_(?:build_info|faults_traced|scan_(?:success|duration_seconds|time_seconds|failures_total))$/;
    assert.deepEqual(documented.filter((name) => !own.test(name)).sort(), [...names].sort());
  });

  it("tells the second stage, where page tables were read", () => {
    const families = metricsOf(
      inspectTables(inspectMachine(rootsOf("x86-tables"), null, { smaps: "never" })),
    );
    const leavesOf = (name: string, state?: string) =>
      samplesOf(families, name)
        .filter(({ labels }) => (labels["device"] ?? "0000:03:00.0") === "0000:03:00.0")
        .filter(({ labels }) => labels["state"] === state)
        .map(({ labels, value }) => [Number(labels["leaf_bytes"]), value]);
    // As recorded in page-tables.json, and what 188 GiB + 15 MiB can have.
    assert.deepEqual(leavesOf("hugebar_mapping_second_stage_leaves", "now"), [
      [2 ** 30, 187],
      [2 ** 21, 518],
      [4096, 256],
    ]);
    assert.deepEqual(leavesOf("hugebar_mapping_second_stage_leaves", "best"), [
      [2 ** 30, 188],
      [2 ** 21, 7],
      [4096, 256],
    ]);
    assert.deepEqual(leavesOf("hugebar_guest_leaves"), [
      [2 ** 30, 3],
      [2 ** 21, 1535],
      [4096, 812],
    ]);
    assert.equal(samplesOf(families, "hugebar_guest_page_table_bytes")[0]?.value, 118_784);
    const tables = samplesOf(families, "hugebar_mapping_second_stage_page_table_bytes");
    // A PTE table and two PMD tables.
    assert.equal(tables.find(({ labels }) => labels["device"] === "0000:03:00.0")?.value, 3 * 4096);
  });

  it("tells the steps of mapping for DMA where the kernel's name tells them, now and at best", () => {
    const steps = samplesOf(scanMetrics(rootsOf("x86-qemu")).families, "hugebar_mapping_dma_steps");
    const whole = steps.filter(
      ({ labels: { device, region } }) => `${device} ${region}` === "0000:02:00.0 2",
    );
    const pages = (188 * 2 ** 30 + 15 * 2 ** 20) / 4096;
    // One step a page on 6.12, and one more for each leaf that is laid on the way.
    assert.deepEqual(
      whole.map(({ labels, value }) => [labels["state"], value]),
      [
        ["now", 2 * pages],
        ["best", pages + 451],
      ],
    );
  });

  it("takes about 500 series for a host with eight GPUs, each in a virtual machine of its own", () => {
    const one = inspectMachine(rootsOf("x86-qemu"));
    // One that maps three BARs.
    const process = one.processes.find(({ mappings }) => mappings.length === 3) ?? assert.fail();
    const device = deviceIndex(one.machine.roots.sys).all()[0] ?? assert.fail();
    const names = Array.from({ length: 8 }, (_, gpu) => `0000:0${gpu}:00.0`);
    const leaves = [2 ** 30, 2 ** 21, 4096].map((size) => ({ size, count: 1 }));
    const guests = names.map((name, gpu): InspectedProcess => {
      const mappings = process.mappings.map((mapping): InspectedMapping => {
        const identity = { ...mapping.identity, device: name };
        return { ...mapping, identity };
      });
      const secondStage = { controlGroup: `/guest-${gpu}`, bytes: 4096 };
      return {
        ...process,
        pid: process.pid + gpu,
        command: `guest-${gpu}`,
        mappings,
        guests: { counters: [{ leaves }], secondStage, pieces: null },
      };
    });
    const count = (families: readonly Family[]): number =>
      families.reduce((sum, { samples }) => sum + samples.length, 0);
    const series =
      count(metricsOf({ ...one, processes: guests })) -
      count(deviceMetrics(deviceIndex(one.machine.roots.sys).all())) +
      count(deviceMetrics(names.map((bdf) => Object.assign({}, device, { bdf }))));
    assert.ok(series >= 400 && series <= 520, `${series} series`);
  });

  it("counts what it could not look at", () => {
    const inspection = inspectMachine(rootsOf("x86-qemu"));
    const refused = (["not-permitted", "unreadable", "gone"] as const).map((reason, index) => ({
      pid: index + 1,
      command: "secret",
      owner: null,
      vmPteBytes: null,
      mappings: [],
      guests: null,
      refused: reason,
    }));
    const families = metricsOf({ ...inspection, scanned: 10, processes: refused });
    assert.deepEqual(
      samplesOf(families, "hugebar_scan_unreadable_processes").map(({ labels, value }) => [
        labels["reason"],
        value,
      ]),
      [
        ["not-permitted", 1],
        ["unreadable", 1],
      ],
    );
    assert.equal(samplesOf(families, "hugebar_scan_processes")[0]?.value, 8);
    const hides = (hidden: boolean): number | undefined =>
      samplesOf(metricsOf({ ...inspection, hidden }), "hugebar_scan_hides_processes")[0]?.value;
    assert.deepEqual([hides(true), hides(false)], [1, 0]);
  });
});
