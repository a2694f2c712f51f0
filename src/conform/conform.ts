/** Runs the points, one after the other. */

import { setImmediate } from "node:timers/promises";
import type { ConformEvidence, Observer } from "./observer.ts";
import { SystemCallError } from "../system/system.ts";
import { HugebarError } from "../errors.ts";
import { Bench, CannotJudge, isLacking, type Finding, type Point } from "./point.ts";
import {
  anyFirstTouch,
  orderByAlignment,
  readOnly,
  unalignedPageFrame,
  withinTheMapping,
} from "./points/order.ts";
import { advice, eligibility, prctlThpDisable, readAllowance, type Allowance } from "./points/permission.ts";
import {
  mremapOutOfPud,
  pageOutOfPud,
  splitByMprotect,
  splitByMremap,
  splitByMunmap,
} from "./points/splitting.ts";
import { decodingOff, reset, tablesGivenBack } from "./points/zapping.ts";
import { openKernelLog } from "./kernel-log.ts";
import { kernelLogClean } from "./points/kernel-log.ts";
import { dmaBuf, mappedForDma } from "./points/lent.ts";
import { forked, twoProcesses } from "./points/processes.ts";
import { secondStage } from "./points/second-stage.ts";
import type { MemoryKind } from "./memory-kind.ts";
import type { Subject } from "./subject.ts";

export const POINTS: readonly Point[] = [
  orderByAlignment,
  withinTheMapping,
  unalignedPageFrame,
  anyFirstTouch,
  readOnly,
  splitByMunmap,
  splitByMprotect,
  splitByMremap,
  mremapOutOfPud,
  pageOutOfPud,
  advice,
  prctlThpDisable,
  eligibility,
  decodingOff,
  reset,
  tablesGivenBack,
  twoProcesses,
  forked,
  mappedForDma,
  dmaBuf,
  secondStage,
  kernelLogClean,
];

export interface PointResult {
  readonly name: string;
  readonly about: string;
  readonly commits: readonly string[];
  readonly outcome: "holds" | "falls-short" | "not-judged";
  /** Why it was not judged; null where it was. */
  readonly because: string | null;
  /** All that was looked at. */
  readonly findings: readonly Finding[];
}

/** What is tested, and how: known before the first point. */
export interface ConformSubject {
  /** `uname -r` */
  readonly release: string;
  readonly model: string;
  readonly device: string;
  /** What was tested: a part of the region (`testedPart`). Bytes, and where it lies. */
  readonly region: {
    readonly index: number;
    readonly size: number;
    readonly physical: bigint;
    readonly kind: MemoryKind;
  };
  readonly evidence: ConformEvidence;
  /** Why there is no better evidence; null for page tables. */
  readonly because: string | null;
  /** What all mappings are advised, since the setting asks for it: `MADV_HUGEPAGE`; null for nothing. */
  readonly advice: "MADV_HUGEPAGE" | null;
}

export interface ConformReport extends ConformSubject {
  readonly points: readonly PointResult[];
}

/** @returns what was found by the points that were tried: all, if nothing told to end before */
export async function runPoints(
  subject: Subject,
  observer: Observer,
  options: {
    readonly allowance: Allowance;
    readonly points?: readonly Point[];
    readonly riskOops?: boolean;
    readonly progress?: () => void;
    /** Called with each point as soon as it was tried: the next one may be what the kernel falls over. */
    readonly tried?: (result: PointResult, index: number) => void;
    /** Asked before each point: a signal is heard between two of them, when nothing is switched off. */
    readonly isOver?: () => boolean;
  },
): Promise<PointResult[]> {
  const { allowance, points = POINTS, riskOops = false, progress, tried, isOver } = options;
  const { closed, advice } = allowance;
  const advised = { ...subject, advice };
  const complaints = openKernelLog();
  const results: PointResult[] = [];
  for (const [index, point] of points.entries()) {
    await setImmediate();
    if (isOver?.() === true) break;
    progress?.();
    const bench = new Bench(advised, observer, { riskOops, complaints });
    const result = judge(point, bench, point.needsHugeLeaves ? closed : null);
    tried?.(result, index);
    results.push(result);
  }
  return results;
}

/** What lets the area have huge leaves here. */
export function findAllowance(subject: Subject, observer: Observer): Allowance {
  try {
    return readAllowance(new Bench(subject, observer));
  } catch (error) {
    if (error instanceof CannotJudge) return { closed: error.message, advice: null };
    throw error;
  }
}

/** The system call that the kernel refused, whoever put that into words; null for what is no refusal. */
function refusedCall(error: unknown): SystemCallError | null {
  if (error instanceof SystemCallError) return error;
  return error instanceof HugebarError && error.cause instanceof SystemCallError ? error.cause : null;
}

/** What a device that is gone shows is nothing of the kernel's. */
function judge(point: Point, bench: Bench, closed: string | null): PointResult {
  const result = runPoint(point, bench, closed);
  if (result.outcome !== "falls-short" || !bench.subject.device.isGone()) return result;
  return { ...result, outcome: "not-judged", because: "the device does not answer any more" };
}

function runPoint(point: Point, bench: Bench, closed: string | null): PointResult {
  const { name, about, commits } = point;
  const result = { name, about, commits, findings: bench.findings };
  if (closed !== null) return { ...result, outcome: "not-judged", because: closed };
  try {
    point.run(bench);
    const holds = bench.findings.every((finding) => finding.holds);
    return { ...result, outcome: holds ? "holds" : "falls-short", because: null };
  } catch (error) {
    if (error instanceof CannotJudge) return { ...result, outcome: "not-judged", because: error.message };
    const refused = refusedCall(error);
    if (refused === null || !(error instanceof Error)) throw error;
    if (isLacking(refused)) return { ...result, outcome: "not-judged", because: error.message };
    // What the point needs of the kernel, and is not given.
    bench.note(refused.call, "done", refused.code);
    return { ...result, outcome: "falls-short", because: null };
  } finally {
    bench.close();
  }
}
