/**
 * Whether a kernel lets device memory have huge leaves at all. Huge leaves came with Linux 6.12 ("vfio/pci: implement
 * huge_fault support", f9e54c3a2f5b) and asked the transparent-huge-page setting for leave (mm/huge_memory.c,
 * __thp_vma_allowable_orders) until 7.3 ("mm/huge_memory: bypass THP tuneables for huge pfnmap mappings"). Stable
 * series took that up on the way: 7.2.8, 6.18.54 and 6.12.115.
 */

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
  /** Null where it cannot be read; without CONFIG_TRANSPARENT_HUGEPAGE there is neither the file nor huge leaves. */
  readonly enabled: ThpSetting | null;
  /** Whether the mapping was given MADV_HUGEPAGE; null where that is not known. */
  readonly advised: boolean | null;
}

/**
 * Whether the kernel has huge leaves for device memory, gate or no gate. Distributions backport: of a kernel that is
 * not upstream's, an old version decides nothing.
 *
 * @param kernel the release, as `uname -r` gives it
 */
export function hugePfnmapSupport(kernel: string): "present" | "absent" | "unknown" {
  const release = parseRelease(kernel);
  if (release === null) return "unknown";
  if (release.series >= 6_012) return "present";
  return release.upstream ? "absent" : "unknown";
}

/**
 * Whether the kernel uses huge leaves for a mapping of device memory: never a guess.
 *
 * @example
 * thpGate({ kernel: "6.12.107", enabled: "madvise", advised: false }); // "closed"
 * thpGate({ kernel: "6.8.0-45-generic", enabled: "always", advised: null }); // "unknown": 6.8 has none, a backport may
 */
export function thpGate({ kernel, enabled, advised }: ThpState): ThpGate {
  const support = hugePfnmapSupport(kernel);
  const release = parseRelease(kernel);
  if (support === "absent") return "absent";
  if (support === "unknown" || release === null || enabled === null) return "unknown";

  const asks = asksForLeave(release);
  const leave = enabled === "madvise" ? advised : enabled === "always";
  if (asks === false || leave === true) return "open";
  // A distribution may have backported that the setting no longer counts.
  return asks === true && leave === false && release.upstream ? "closed" : "unknown";
}

interface Release {
  /** 6.12 is 6_012. */
  readonly series: number;
  readonly patch: number;
  /** A release candidate. */
  readonly candidate: boolean;
  /** Built from upstream's source, as far as the name tells. */
  readonly upstream: boolean;
}

/** Debian builds stable releases with few changes: 6.12.107+deb13-amd64 was seen to be gated as 6.12.107 is. */
const DEBIAN = /^\+(?:deb\d+|bpo)(?:\+\d+)?(?:-[a-z0-9-]+)?$/;

function parseRelease(kernel: string): Release | null {
  const found = /^(?<major>\d+)\.(?<minor>\d+)(?:\.(?<patch>\d+))?(?<rest>.*)$/.exec(kernel)?.groups;
  if (found === undefined) return null;
  const { major, minor, patch = 0, rest = "" } = found;
  const candidate = /^-rc\d+/.test(rest);
  return {
    series: Number(major) * 1000 + Number(minor),
    patch: Number(patch),
    candidate,
    upstream: rest === "" || /^-rc\d+$/.test(rest) || DEBIAN.test(rest),
  };
}

/**
 * The series that were still maintained when 7.3 dropped the question: the last release known to ask, and the first
 * known not to. Those between are not known.
 */
const MAINTAINED = new Map([
  [6_012, { lastAsking: 114, firstSilent: 115 }],
  [6_018, { lastAsking: 53, firstSilent: 54 }],
  [7_001, { lastAsking: 8, firstSilent: Infinity }],
  [7_002, { lastAsking: 7, firstSilent: 8 }],
]);

/** Whether a release asks the setting about device memory; null where that is not known. */
function asksForLeave({ series, patch, candidate }: Release): boolean | null {
  if (series >= 7_003) return candidate && series === 7_003 ? null : false;
  const known = MAINTAINED.get(series);
  if (known === undefined || patch <= known.lastAsking) return true;
  return patch >= known.firstSilent ? false : null;
}
