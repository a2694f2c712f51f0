/**
 * What the running kernel has shown of itself where its name leaves it open: whether it has huge leaves for a driver's memory
 * at all, and whether it asks the setting about them. That is the same for every process until the next boot. `learn.ts` says
 * what shows it.
 */

import { changes, hasChange } from "./changes.ts";
import { hasHugeLeaves, isVfioPci, type MappedBy } from "./drivers.ts";

export interface LearnedKernel {
  /** Whether it asks the setting of transparent huge pages about device memory; null where nothing has shown it. */
  readonly asks: boolean | null;
  /** Whether it has huge leaves for what a driver maps, by `makerOf`. */
  readonly hugeLeaves: Readonly<Record<string, boolean>>;
  /** Settings and drivers for which a mapping was looked at, whatever came of it (`lookOf`). */
  readonly lookedAt: readonly string[];
}

export const NOTHING_LEARNED: LearnedKernel = { asks: null, hugeLeaves: {}, lookedAt: [] };

/** Whether the kernel has huge leaves for such memory: by its name, else as was learned; null where neither tells. */
export function hasLeaves(by: MappedBy, { hugeLeaves }: LearnedKernel): boolean | null {
  return hasHugeLeaves(by) ?? hugeLeaves[makerOf(by)] ?? null;
}

/** Whether the kernel does without asking the setting: by its name, else as was learned; null where neither tells. */
export function ignoresSetting(kernel: string, { asks }: LearnedKernel): boolean | null {
  return hasChange(kernel, changes.settingIgnored) ?? (asks === null ? null : !asks);
}

/** Whose huge faults a mapping has: those of vfio_pci_core, or a driver's own. */
export function makerOf({ driver, region }: Pick<MappedBy, "driver" | "region">): string {
  return driver === null || isVfioPci(driver, region) ? "vfio-pci" : driver;
}
