/**
 * Whether the kernel lets a mapping of device memory have huge leaves, whatever its address
 * (mm/huge_memory.c, __thp_vma_allowable_orders). Whoever has huge faults may be asked, until
 * "mm/huge_memory: bypass THP tuneables for huge pfnmap mappings", for the transparent-huge-page setting's leave; advice
 * against them and PR_SET_THP_DISABLE close the gate on every kernel.
 */

import { requireBoolean, requireOptions, requireWhole, requireWord, unusable } from "../arguments.ts";
import type { ThpGate } from "../layout/prediction.ts";
import { changes, hasChange } from "./changes.ts";
import { hasHugePfnmap, hasOwnMemory, mappingWays, type MappedBy, type MappingWay } from "./drivers.ts";
import { hasLeaves, ignoresSetting, NOTHING_LEARNED, type LearnedKernel } from "./learned.ts";

export type { ThpGate };

/** The word in brackets in /sys/kernel/mm/transparent_hugepage/enabled. */
export type ThpSetting = "always" | "madvise" | "never";

/** What the gate depends on; what is left out is taken as a VFIO PCI device's, in a process that turned nothing off. */
export interface ThpState {
  /** The kernel's release, as `uname -r` gives it. */
  readonly kernel: string;
  /** Null where it cannot be read; without CONFIG_TRANSPARENT_HUGEPAGE there is neither the file nor huge leaves. */
  readonly enabled: ThpSetting | null;
  /** Whether the mapping was given MADV_HUGEPAGE; null where that is not known. */
  readonly advised: boolean | null;
  /** Whether it was given MADV_NOHUGEPAGE. */
  readonly forbidden?: boolean;
  /** Whether huge pages are off for the process: PR_SET_THP_DISABLE, for all, or for all that was not advised. */
  readonly disabled?: "all" | "except-advised" | null;
  /** The kernel was built without transparent huge pages. */
  readonly withoutThp?: boolean;
  /** The architecture as the kernel names it, `x86_64`. */
  readonly arch?: string | null;
  readonly way?: MappingWay;
  /** The device's driver, as sysfs names it. */
  readonly driver?: string | null;
  /** The region's index. */
  readonly region?: number | null;
}

/** What closes a gate, or leaves it unknown. */
export type GateCause =
  /** Kernel, driver or way of mapping have no huge leaves for device memory. */
  | "no-huge-pfnmap"
  /** The transparent-huge-page setting. */
  | "thp-gate"
  /** PR_SET_THP_DISABLE. */
  | "thp-process"
  /** MADV_NOHUGEPAGE. */
  | "advice-never"
  /** Each block was touched elsewhere than at its first page, on a kernel that gives it a huge leaf there only. */
  | "touch-order"
  /** The name of the kernel, or of the driver, does not decide. */
  | "kernel-unknown"
  | "driver-unknown"
  /** Whether advice was given decides, and is not known. */
  | "advice-unknown"
  /** The setting decides, and cannot be read. */
  | "thp-unknown";

export interface Gate {
  readonly gate: ThpGate;
  /** Null where it is open. */
  readonly cause: GateCause | null;
}

/**
 * Whether the kernel uses huge leaves for a mapping of device memory: never a guess.
 *
 * @throws ERR_ARGUMENT for what is no such state
 * @example
 * thpGate({ kernel: "6.12.107", enabled: "madvise", advised: false }); // "closed"
 * thpGate({ kernel: "6.8.0-45-generic", enabled: "always", advised: null }); // "unknown": 6.8 has none, a backport may
 */
export function thpGate(state: ThpState): ThpGate {
  requireState(state);
  return gateByRule(state).gate;
}

const SETTINGS: readonly (ThpSetting | null)[] = ["always", "madvise", "never", null];
const DISABLED: readonly ThpState["disabled"][] = ["all", "except-advised", null];

function requireState(state: ThpState): void {
  requireOptions("of a gate", state);
  const { kernel, enabled, advised, forbidden = false, disabled = null, withoutThp = false } = state;
  if (typeof kernel !== "string")
    throw unusable("kernel", kernel, "it must be a release, as uname -r gives it");
  requireOneOf("enabled", enabled, SETTINGS);
  requireOneOf("disabled", disabled, DISABLED);
  if (advised !== null) requireBoolean("advised", advised);
  requireBoolean("forbidden", forbidden);
  requireBoolean("withoutThp", withoutThp);
  const { arch = null, way = "vfio", driver = null, region = null } = state;
  requireWord("way", way, mappingWays);
  for (const [what, value] of Object.entries({ arch, driver })) {
    if (value !== null && typeof value !== "string") throw unusable(what, value, "it must be text, or null");
  }
  if (region !== null) requireWhole("region", region, 0);
}

function requireOneOf(what: string, value: unknown, values: readonly unknown[]): void {
  if (values.includes(value)) return;
  throw unusable(what, value, `it must be one of ${values.map(String).join(", ")}`);
}

/** The gate by what is known of kernel, mapping and settings, and what stands in the way. */
export function gateByRule(state: ThpState, learned: LearnedKernel = NOTHING_LEARNED): Gate {
  const { enabled, advised } = state;
  const by = mappedBy(state);
  if (by.way === "vfio-user") return { gate: "open", cause: null };
  const present = hasLeaves(by, learned);
  if (present === false || state.withoutThp === true) return { gate: "absent", cause: "no-huge-pfnmap" };
  // These close it whatever else is not known.
  if (state.forbidden === true) return { gate: "closed", cause: "advice-never" };
  if (state.disabled === "all") return { gate: "closed", cause: "thp-process" };
  if (state.disabled === "except-advised" && advised === false)
    return { gate: "closed", cause: "thp-process" };
  if (present === null) {
    const isDriver = !hasOwnMemory(by.driver) && hasHugePfnmap(by.kernel, by.arch) === true;
    return { gate: "unknown", cause: isDriver ? "driver-unknown" : "kernel-unknown" };
  }
  if (state.disabled === "except-advised" && advised === null)
    return { gate: "unknown", cause: "advice-unknown" };
  return gateBySetting(ignoresSetting(by.kernel, learned), enabled, advised);
}

/** How such memory is mapped, what was left out filled in. */
export function mappedBy({ kernel, arch, way, driver, region }: ThpState): MappedBy {
  return { kernel, arch: arch ?? null, way: way ?? "vfio", driver: driver ?? null, region: region ?? null };
}

/** Whether the setting gives leave to a mapping; null where that is not known. */
export function settingGrants(enabled: ThpSetting | null, advised: boolean | null): boolean | null {
  if (enabled === null) return null;
  return enabled === "madvise" ? advised : enabled === "always";
}

function gateBySetting(ignored: boolean | null, enabled: ThpSetting | null, advised: boolean | null): Gate {
  // Without the file there may be no transparent huge pages in the kernel at all.
  if (enabled === null) return { gate: "unknown", cause: "thp-unknown" };
  const leave = settingGrants(enabled, advised);
  if (ignored === true || leave === true) return { gate: "open", cause: null };
  if (leave === null) return { gate: "unknown", cause: "advice-unknown" };
  return ignored === false
    ? { gate: "closed", cause: "thp-gate" }
    : { gate: "unknown", cause: "kernel-unknown" };
}

/**
 * Whether the transparent-huge-page setting is asked about device memory; null where the kernel's name does not decide.
 *
 * @param kernel `uname -r`
 */
export function asksSetting(kernel: string): boolean | null {
  const ignored = hasChange(kernel, changes.settingIgnored);
  return ignored === null ? null : !ignored;
}
