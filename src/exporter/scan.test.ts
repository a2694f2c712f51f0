import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { inspectMachine } from "../inspect/inspect.ts";
import type { InspectedProcess, Inspection } from "../inspect/inspection.ts";
import type { InspectedMapping } from "../inspect/judge/region-mappings.ts";
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
      const families = scanMetrics(roots);
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
      for (const { name, samples } of scanMetrics(rootsOf(machine))) {
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

  it("takes about 500 series for a host with eight GPUs, each in a virtual machine of its own", () => {
    const one = inspectMachine(rootsOf("x86-qemu"));
    const guests: InspectedProcess[] = [];
    for (let gpu = 0; gpu < 8; gpu += 1) {
      for (const process of one.processes) {
        const mappings = process.mappings.map((mapping): InspectedMapping => {
          const identity = { ...mapping.identity, device: `0000:0${gpu}:00.0` };
          return Object.assign({}, mapping, { identity });
        });
        guests.push({ ...process, pid: process.pid + gpu * 10_000, command: `guest-${gpu}`, mappings });
      }
    }
    const inspection: Inspection = { ...one, processes: guests };
    const series = metricsOf(inspection).reduce((sum, { samples }) => sum + samples.length, 0);
    assert.ok(series <= 550, `${series} series`);
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
  });
});
