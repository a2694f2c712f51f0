/** Counts page faults on device memory for as long as the exporter runs; where it cannot, says so and tries again. */

import { hugebarError } from "../errors.ts";
import { leafSizes, type PagingModel } from "../layout/paging.ts";
import { faultResult, type FaultResult } from "../inspect/trace/fault-answers.ts";
import {
  startFaultHistograms,
  type FaultHistograms,
  type FaultTallies,
} from "../inspect/trace/fault-histograms.ts";
import { faultProbes } from "../inspect/trace/fault-probes.ts";
import { readMachine } from "../inspect/proc/machine.ts";
import { findTracefs } from "../inspect/trace/trace-instance.ts";
import type { MachineRoots } from "../vfio/device-uses.ts";
import { counter, gauge, type Family } from "./families.ts";

export interface FaultCounters {
  metrics(): Promise<readonly Family[]>;
  /** Stops counting, and leaves nothing in the kernel. */
  close(): Promise<void>;
}

export interface Counting {
  readonly histograms: Pick<FaultHistograms, "read" | "stop">;
  readonly model: PagingModel;
}

export interface FaultCounterOptions {
  readonly begin: () => Promise<Counting>;
  /** How long after one attempt the next may be. */
  readonly retryMilliseconds: number;
  /** Told why nothing is counted, once for each reason. */
  readonly onProblem: (problem: string) => void;
}

/** @throws ERR_NOT_SUPPORTED, ERR_PERMISSION */
export async function beginCounting(roots: MachineRoots): Promise<Counting> {
  const { model } = readMachine(roots);
  if (model === null) {
    throw hugebarError("ERR_NOT_SUPPORTED", {
      action: "count faults on device memory",
      problem: "the leaf sizes of this machine are not known",
    });
  }
  const root = findTracefs(roots.sys);
  return { histograms: await startFaultHistograms(root, await faultProbes(roots.proc, "order")), model };
}

export function countFaults({ begin, retryMilliseconds, onProblem }: FaultCounterOptions): FaultCounters {
  let tried = -Infinity;
  let said = "";
  let closed = false;
  /** An attempt, or what came of it; null where nothing counts. */
  let current: Promise<Counting | null> | null = null;

  const tell = (error: unknown): null => {
    const problem = error instanceof Error ? error.message : String(error);
    if (problem !== said) onProblem(problem);
    said = problem;
    return null;
  };
  const hold = (promise: Promise<Counting | null>): void => {
    const held = promise.catch(tell);
    current = held;
    void forgetIfNothing(held);
  };
  const forgetIfNothing = async (held: Promise<Counting | null>): Promise<void> => {
    if ((await held) === null && current === held) current = null;
  };
  /** What counts; where nothing does, and it is time, another attempt. However many ask, there is one. */
  const counting = async (): Promise<Counting | null> => {
    const now = performance.now();
    if (current === null && !closed && now - tried >= retryMilliseconds) {
      tried = now;
      hold(begin());
    }
    return current;
  };
  const readOf = ({ histograms, model }: Counting): Family[] => {
    try {
      return faultMetrics(histograms.read(), model);
    } catch (error) {
      // Somebody else has removed it. What may be left of it must not stay.
      tell(error);
      hold(histograms.stop().then(() => null));
      return [];
    }
  };
  // At once, so that nothing is missed until somebody asks.
  void counting();
  return {
    async metrics() {
      const now = await counting();
      const families = now === null ? [] : readOf(now);
      const traced = gauge(
        "hugebar_faults_traced",
        "Whether page faults on device memory are being counted.",
      );
      traced.add({}, Number(families.length > 0));
      return [traced, ...families];
    },
    async close() {
      closed = true;
      await (await current)?.histograms.stop();
    },
  };
}

/** In labels. */
const RESULTS = {
  done: "done",
  fellBack: "fell-back",
  failed: "failed",
} as const satisfies Record<FaultResult, string>;

export function faultMetrics({ tallies, lost }: FaultTallies, model: PagingModel): Family[] {
  const faults = counter(
    "hugebar_faults_total",
    "Page faults on device memory by the leaf size that was asked for and what came of it, since counting began.",
  );
  // What has not happened yet is 0, so that the first one is an increase.
  for (const size of leafSizes(model)) {
    for (const result of Object.values(RESULTS)) {
      if (result === "fell-back" && size === model.pageSize) continue;
      faults.add({ leaf_bytes: String(size), result }, 0);
    }
  }
  for (const { order, answer, count } of tallies) {
    const size = model.pageSize * 2 ** order;
    faults.sum({ leaf_bytes: String(size), result: RESULTS[faultResult(answer)] }, count);
  }
  const missed = counter(
    "hugebar_faults_lost_total",
    "Page faults on device memory that could not be counted.",
  );
  missed.add({}, lost);
  return [faults, missed];
}
