/** Whether a kernel lets device memory have huge leaves at all. */

/**
 * - `open`: huge leaves, where addresses allow them.
 * - `closed`: the transparent-huge-page setting stops them.
 * - `absent`: this kernel has no huge leaves for device memory, whatever the setting.
 * - `unknown`: the version does not decide, or a setting is not known.
 */
export type ThpGate = "open" | "closed" | "absent" | "unknown";

/** The word in brackets in /sys/kernel/mm/transparent_hugepage/enabled. */
export type ThpSetting = "always" | "madvise" | "never";

/** What the gate depends on. */
export interface ThpState {
  /** The kernel's release, as `uname -r` gives it. */
  readonly kernel: string;
  /** Null where it cannot be read. */
  readonly enabled: ThpSetting | null;
  /** Whether the mapping was given MADV_HUGEPAGE; null where that is not known. */
  readonly advised: boolean | null;
}

/** Linux 6.12: "vfio/pci: implement huge_fault support". */
const HUGE_PFNMAP_SINCE = 6_012;
/** The THP setting was seen to count in 6.12, and no more in 7.2. */
const GATE_UNTIL = 6_999;

/**
 * Whether the kernel has huge leaves for device memory at all: `unknown` for a distribution's kernel of an older
 * version, which may have them by backport.
 */
export function hugePfnmapSupport(kernel: string): "present" | "absent" | "unknown" {
  const release = parseRelease(kernel);
  if (release === null) return "unknown";
  if (release.version >= HUGE_PFNMAP_SINCE) return "present";
  return release.upstream ? "absent" : "unknown";
}

/** Whether the kernel uses huge leaves for a mapping of device memory. Never a guess: see `ThpGate`. */
export function thpGate({ kernel, enabled, advised }: ThpState): ThpGate {
  const release = parseRelease(kernel);
  const support = hugePfnmapSupport(kernel);
  if (support === "absent") return "absent";
  if (support === "unknown" || release === null || enabled === null) return "unknown";
  if (enabled === "always" || release.version > GATE_UNTIL) return "open";
  if (enabled === "madvise" && advised !== false) return advised === true ? "open" : "unknown";
  // Nothing gives leave: that stops an upstream kernel, but a distribution may have backported that it does not.
  return release.upstream ? "closed" : "unknown";
}

/** Version 6.12.107 is 6_012; `upstream` where nothing in the release says that others changed the kernel. */
function parseRelease(kernel: string): { version: number; upstream: boolean } | null {
  const found = /^(?<major>\d+)\.(?<minor>\d+)(?:\.\d+)?(?<rest>.*)$/.exec(kernel)?.groups;
  if (found === undefined) return null;
  const { major, minor, rest = "" } = found;
  return { version: Number(major) * 1000 + Number(minor), upstream: /^(?:-rc\d+)?$/.test(rest) };
}
