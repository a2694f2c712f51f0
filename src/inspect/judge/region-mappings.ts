/** Brings the mappings of one region together and judges them as one. */

import { largestPowerOfTwoIn, formatSize, isAligned } from "../../layout/sizes.ts";
import type { PagingModel } from "../../layout/paging.ts";
import type { DeviceFile } from "../proc/device-file.ts";
import { gateOf, type Advice, type Gate } from "./gate.ts";
import type { Identity } from "../identify/identify.ts";
import { judge, type Cost, type Judgement, type Verdict } from "./judge.ts";
import type { Machine } from "../proc/machine.ts";
import { adviceOf, type Reason, type ReasonFacts } from "./reasons.ts";
import type { Vma } from "../proc/vma.ts";

/** A VMA of device memory, and whose. */
export interface DeviceVma {
  readonly vma: Vma;
  readonly file: DeviceFile;
  readonly identity: Identity;
}

/** VMAs of one region, at least one, in ascending order. */
export type RegionGroup = readonly [DeviceVma, ...DeviceVma[]];

/** The mappings of one region that keep its geometry: one row of `hugebar inspect`. */
export interface InspectedMapping {
  readonly vmas: readonly Vma[];
  readonly kind: DeviceFile["kind"];
  /** What is known of the first of them. */
  readonly identity: Identity;
  /** Null where there is no telling: another architecture, or no device memory. */
  readonly now: Cost | null;
  readonly best: Cost | null;
  readonly verdict: Verdict;
  readonly reasons: readonly { readonly code: Reason; readonly advice: string }[];
}

/** VMAs that show one region at one and the same distance from the file offset, in the order of their first ones. */
export function groupByRegion(vmas: readonly DeviceVma[]): RegionGroup[] {
  const groups = new Map<string, [DeviceVma, ...DeviceVma[]]>();
  for (const each of vmas) {
    const { vma, file, identity } = each;
    const distance = vma.start - vma.offset;
    const key = [file.kind, identity.device ?? vma.path, vma.inode, identity.region, distance].join(" ");
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [each]);
    else group.push(each);
  }
  return [...groups.values()];
}

/** @param advice by the address of the VMA; null where it was not read */
export function judgeRegion(
  machine: Machine,
  thpEnabled: boolean | null,
  advice: ReadonlyMap<bigint, Advice> | null,
  group: RegionGroup,
): InspectedMapping {
  const [{ identity, file, vma: first }] = group;
  const { model } = machine;
  const gates = group.map(({ vma }) =>
    gateOf(machine, file.kind, identity.driver, identity.region, thpEnabled, advice?.get(vma.start) ?? null),
  );
  const row = { vmas: group.map(({ vma }) => vma), kind: file.kind, identity };
  const facts = (judgement: Judgement | null): ReasonFacts => ({
    kernel: machine.kernel,
    thp: machine.thp,
    miss: judgement === null || model === null ? "" : missOf(first, identity, judgement.best),
    byArea: looksAlignedByArea(first, model),
    pieces: group.length,
    path: file.kind.startsWith("vfio-") ? "vfio" : file.kind,
    driver: identity.driver,
  });
  const without = (code: Reason): InspectedMapping => ({
    ...row,
    now: null,
    best: null,
    verdict: "unknown",
    reasons: [{ code, advice: adviceOf(code, facts(null)) }],
  });
  if (model === null) return without("architecture-unknown");

  const judgement = judge(
    group.map(({ vma, identity: { congruence } }, index) => ({
      address: vma.start,
      size: vma.size,
      perms: vma.perms,
      congruence,
      offset:
        identity.offset === null
          ? vma.start - first.start
          : BigInt(identity.offset) + vma.start - first.start,
      gate: gates[index]?.gate ?? "unknown",
    })),
    model,
  );
  const codes = new Set(judgement.shortfalls.flatMap((shortfall) => reasonsFor(shortfall, gates, identity)));
  const reasons = [...codes].map((code) => ({ code, advice: adviceOf(code, facts(judgement)) }));
  return { ...row, now: judgement.now, best: judgement.best, verdict: judgement.verdict, reasons };
}

function reasonsFor(
  shortfall: Judgement["shortfalls"][number],
  gates: readonly Gate[],
  { device }: Identity,
): Reason[] {
  const causes = (wanted: Gate["gate"]): Reason[] =>
    gates.flatMap(({ gate, cause }) => (gate === wanted && cause !== null ? [cause] : []));
  switch (shortfall) {
    case "gate":
      return causes("closed");
    case "gate-unknown":
      return causes("unknown");
    case "physical-unknown":
      return [device === null ? "device-unknown" : "physical-unknown"];
    case "misaligned":
    case "split":
      return [shortfall];
  }
}

/** What a mapping shows, in a phrase: `region 2 of 0000:01:00.0`. */
export function regionInWords({ kind, identity: { device, region, physical } }: InspectedMapping): string {
  if (device === null && kind === "mem") return `/dev/mem from 0x${physical?.toString(16) ?? "?"} on`;
  const what = region === null ? "a region" : `region ${region}`;
  return `${what} of ${device ?? "an unknown device"}`;
}

/** How far the first mapping's address is from where its largest possible leaf wants it. */
function missOf(vma: Vma, { congruence }: Identity, best: Cost): string {
  const leaf = best.leaves[0]?.size;
  if (leaf === undefined || congruence === null) return "";
  const unit = BigInt(leaf);
  const past = (((vma.start - congruence) % unit) + unit) % unit;
  const boundary = `a ${formatSize(leaf)} boundary`;
  return `0x${past.toString(16)} past ${congruence % unit === 0n ? "" : "where the device's memory has "}${boundary}`;
}

/** Aligned to the largest power of two in its own size, and that is more than a page. */
function looksAlignedByArea({ start, size }: Vma, model: PagingModel | null): boolean {
  const own = Math.min(largestPowerOfTwoIn(size), 2 ** 30);
  return model !== null && own > model.pageSize && isAligned(start, BigInt(own));
}
