/** Learning from one mapping what holds for all: what `THPeligible` in smaps shows of the kernel, and whether it would help. */

import { changes, hasChange } from "./changes.ts";
import { gateByRule, mappedBy, settingGrants, type ThpState } from "./gate.ts";
import { hasLeaves, makerOf, type LearnedKernel } from "./learned.ts";

/** What smaps shows of one mapping, and what decides about it. */
export interface SeenMapping extends ThpState {
  /** `THPeligible`; null where it was not read. */
  readonly eligible: boolean | null;
  /** Whether, by `canBeEligible`, that says anything about the gate where it is 0. */
  readonly suitable: boolean;
}

/** Learns from a mapping what it shows of the kernel, which may be nothing. */
export function learn(learned: LearnedKernel, mapping: SeenMapping): LearnedKernel {
  const { way = "vfio", eligible, suitable, forbidden = false, disabled = null, enabled, advised } = mapping;
  if (way !== "vfio" || eligible === null) return learned;
  const grants = settingGrants(enabled, advised);
  const withLeaves = (has: boolean): LearnedKernel => ({
    ...learned,
    hugeLeaves: { ...learned.hugeLeaves, [makerOf(mappedBy(mapping))]: has },
  });
  if (eligible) return grants === false ? { ...withLeaves(true), asks: false } : withLeaves(true);
  // 0 has many causes: it shows one only where all the others are out of the question. What a process turned off "except
  // where advised" stands in no file.
  const mayBeExcepted = advised !== true && hasChange(mapping.kernel, changes.exceptAdvised) !== false;
  if (!suitable || forbidden || disabled !== null || mayBeExcepted) return learned;
  if (grants === true) return withLeaves(false);
  const isClosed = grants === false && hasLeaves(mappedBy(mapping), learned) === true;
  return isClosed ? { ...learned, asks: true } : learned;
}

/** Whether a gate that is not known would be if all that can be learned were. */
export function hangsOnKernel(state: ThpState, learned: LearnedKernel): boolean {
  if (state.enabled === null || gateByRule(state, learned).gate !== "unknown") return false;
  const maker = makerOf(mappedBy(state));
  return [true, false].some((asks) =>
    [true, false].some((has) => {
      const hugeLeaves = { ...learned.hugeLeaves, [maker]: has };
      return gateByRule(state, { ...learned, asks, hugeLeaves }).gate !== "unknown";
    }),
  );
}

/** What a look at a mapping can show is the same under one setting, for one driver. */
export function lookOf(state: ThpState): string {
  return `${state.enabled} ${makerOf(mappedBy(state))}`;
}
