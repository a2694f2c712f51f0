import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { FaultTallies } from "../inspect/trace/fault-histograms.ts";
import { pagingModels } from "../layout/paging.ts";
import { countFaults, faultMetrics, type Counting } from "./fault-counters.ts";
import type { Family } from "./families.ts";

const model = pagingModels["x86-64"];

function valuesOf(families: readonly Family[], name: string): Record<string, number> {
  const samples = families.find((family) => family.name === name)?.samples ?? [];
  return Object.fromEntries(samples.map(({ labels, value }) => [Object.values(labels).join(" "), value]));
}

/** A counting whose histograms are as told, and which notes that it was stopped. */
function countingOf(read: () => FaultTallies): Counting & { readonly stops: () => number } {
  let stops = 0;
  const stop = async (): Promise<void> => void (stops += 1);
  return { histograms: { read, stop }, model, stops: () => stops };
}

const NONE: FaultTallies = { tallies: [], lost: 0 };

describe("faultMetrics", () => {
  it("counts by leaf size and result, and has 0 for what has not happened yet", () => {
    const families = faultMetrics(
      {
        tallies: [
          { order: 18, answer: 0x800, count: 3 },
          { order: 9, answer: 0x100, count: 7 },
          { order: 0, answer: 0x2, count: 1 },
          { order: 0, answer: 0x1, count: 1 },
        ],
        lost: 5,
      },
      model,
    );
    assert.deepEqual(valuesOf(families, "hugebar_faults_total"), {
      "1073741824 done": 0,
      "1073741824 fell-back": 3,
      "1073741824 failed": 0,
      "2097152 done": 7,
      "2097152 fell-back": 0,
      "2097152 failed": 0,
      "4096 done": 0,
      "4096 failed": 2,
    });
    assert.deepEqual(valuesOf(families, "hugebar_faults_lost_total"), { "": 5 });
    assert.ok(families.every(({ type }) => type === "counter"));
  });
});

describe("countFaults", () => {
  it("says once why it cannot, has no counters then, and tries again when it is time", async () => {
    const problems: string[] = [];
    let attempts = 0;
    const faults = countFaults({
      begin: async () => {
        attempts += 1;
        if (attempts < 3) throw new Error("vfio-pci is not loaded");
        return countingOf(() => NONE);
      },
      retryMilliseconds: 0,
      onProblem: (problem) => void problems.push(problem),
    });
    assert.deepEqual(await faults.metrics().then(valueOfTraced), 0);
    assert.deepEqual(await faults.metrics().then(valueOfTraced), 0);
    const families = await faults.metrics();
    assert.equal(valueOfTraced(families), 1);
    assert.equal(families.length, 3);
    assert.deepEqual(problems, ["vfio-pci is not loaded"]);
    assert.equal(attempts, 3);
  });

  it("makes one attempt however many ask, and none before it is time", async () => {
    let attempts = 0;
    const faults = countFaults({
      begin: async () => {
        attempts += 1;
        throw new Error("no");
      },
      retryMilliseconds: 3_600_000,
      onProblem: () => undefined,
    });
    await Promise.all(Array.from({ length: 50 }, () => faults.metrics()));
    await faults.metrics();
    assert.equal(attempts, 1);
  });

  it("stops what somebody else has removed, says so, and shows no counters that stand still", async () => {
    const problems: string[] = [];
    const broken = countingOf(() => {
      throw new Error("ENOENT");
    });
    const begun = [broken, countingOf(() => NONE)];
    const faults = countFaults({
      begin: async () => begun.shift() ?? assert.fail(),
      retryMilliseconds: 0,
      onProblem: (problem) => void problems.push(problem),
    });
    const families = await faults.metrics();
    assert.deepEqual([valueOfTraced(families), families.length, broken.stops()], [0, 1, 1]);
    assert.deepEqual(problems, ["ENOENT"]);
    while (valueOfTraced(await faults.metrics()) === 0);
  });

  it("stops when it is closed, also while it is beginning", async () => {
    const { promise, resolve } = Promise.withResolvers<Counting>();
    const counting = countingOf(() => NONE);
    const faults = countFaults({
      begin: () => promise,
      retryMilliseconds: 0,
      onProblem: () => undefined,
    });
    const closing = faults.close();
    resolve(counting);
    await closing;
    assert.equal(counting.stops(), 1);
  });
});

function valueOfTraced(families: readonly Family[]): number | undefined {
  return valuesOf(families, "hugebar_faults_traced")[""];
}
