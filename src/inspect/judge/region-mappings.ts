/** Brings the mappings of one region together and judges them as one. */

import { formatSize, pastMultiple } from "../../layout/sizes.ts";
import { alignmentOf } from "./alignment.ts";
import { fullBdf } from "../../vfio/sysfs/bdf.ts";
import { isVfioPci } from "../../rules/drivers.ts";
import type { Evidence, EvidenceSource, ProvedGate } from "../../rules/evidence.ts";
import { faultHandler, SOUND_HANDLER, type FaultHandler } from "../../rules/handler.ts";
import type { DeviceFile } from "../proc/device-file.ts";
import type { DeviceVma, Holder, JudgedGate } from "./gate.ts";
import type { Identity } from "../identify/identity.ts";
import { judge, type Between, type Cost, type Judgement, type Verdict } from "./judge.ts";
import type { Machine } from "../proc/machine.ts";
import type { MappingTables } from "./mapping-tables.ts";
import type { ReasonFacts } from "./reason-facts.ts";
import { adviceOf, type Reason } from "./reasons.ts";
import type { TableReason } from "./tables-reasons.ts";
import type { Vma } from "../proc/vma.ts";

export type { DeviceVma };

/** VMAs of one region, at least one, in ascending order. */
export type RegionGroup = readonly [DeviceVma, ...DeviceVma[]];

/** The mappings of one region that keep its geometry: one row of `hugebar inspect`. */
export interface InspectedMapping {
  readonly vmas: readonly Vma[];
  readonly kind: DeviceFile["kind"];
  /** What is known of the first of them. */
  readonly identity: Identity;
  /** As it is; null where that is not known. */
  readonly now: Cost | null;
  /** What it may be, where it is not known; null where it is, or where nothing is known. */
  readonly between: Between | null;
  /** As it could be; null where the architecture's leaves are not known. */
  readonly best: Cost | null;
  readonly verdict: Verdict;
  readonly reasons: readonly { readonly code: Reason | TableReason; readonly advice: string }[];
  /** How the verdict is known, and what exactly says so. */
  readonly evidence: Evidence;
  readonly source: EvidenceSource;
  /** What the page tables hold; null where they were not read. */
  readonly tables: MappingTables | null;
}

/** VMAs that show one region at one and the same distance from the file offset, in the order of their first ones. */
export function groupByRegion(vmas: readonly DeviceVma[]): RegionGroup[] {
  const groups = new Map<string, [DeviceVma, ...DeviceVma[]]>();
  for (const each of vmas) {
    const { vma, file, identity } = each;
    const distance = vma.start - vma.offset;
    // A dma-buf has an inode for each mapping, and where its name has the region its offset is that in the region.
    const inode = file.kind === "vfio-dmabuf" ? "" : vma.inode;
    const key = [file.kind, identity.device ?? vma.path, inode, identity.region, distance].join(" ");
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [each]);
    else group.push(each);
  }
  return [...groups.values()];
}

/**
 * @param gateOf the gate of a mapping, and how it is known
 * @param by the process
 */
export function judgeRegion(
  machine: Machine,
  group: RegionGroup,
  gateOf: (mapping: DeviceVma) => JudgedGate,
  { command, program }: Pick<Holder, "command" | "program">,
): InspectedMapping {
  const [{ identity, file, vma: first, obstacle = null }] = group;
  const { model } = machine;
  const gates = group.map(gateOf);
  const handler = handlerOf(machine, file, identity);
  const row = {
    vmas: group.map(({ vma }) => vma),
    kind: file.kind,
    identity,
    tables: null,
    ...evidenceOf(gates),
  };
  const facts = (judgement: Judgement | null): ReasonFacts => ({
    kernel: machine.kernel,
    arch: machine.arch,
    thp: machine.thp,
    withoutThp: machine.withoutThp,
    program,
    command,
    advised: gates.every(({ advised }) => advised === true),
    miss: judgement === null ? "" : missOf(group, judgement.best),
    ...alignmentOf(group, model),
    pieces: group.length,
    path: file.kind.startsWith("vfio-") ? "vfio" : file.kind,
    device: identity.device,
    isPci: identity.device !== null && fullBdf(identity.device) === identity.device,
    obstacle,
    driver: identity.driver,
    couldBe: identity.couldBe,
    blind: identity.blind,
    isWrong: judgement?.verdict === "wrong",
    handler,
  });
  const reasonsOf = (codes: Iterable<Reason>, judgement: Judgement | null): InspectedMapping["reasons"] =>
    [...new Set(codes)].map((code) => ({ code, advice: adviceOf(code, facts(judgement)) }));
  if (model === null) {
    const isSmall = gates.every(({ gate, cause }) => gate === "absent" && cause === "no-huge-pfnmap");
    return {
      ...row,
      now: isSmall ? basePagesOf(row.vmas, machine.pageSize) : null,
      between: null,
      best: null,
      verdict: isSmall ? "small" : "unknown",
      reasons: reasonsOf([isSmall ? "no-huge-pfnmap" : "architecture-unknown"], null),
    };
  }

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
      gate: gateForJudge(gates[index]),
      handler,
    })),
    model,
  );
  const { now, between, best, verdict } = judgement;
  const codes = judgement.shortfalls.flatMap((shortfall) => reasonsFor(shortfall, gates, identity));
  return { ...row, now, between, best, verdict, reasons: reasonsOf(codes, judgement) };
}

function gateForJudge(gate: ProvedGate | undefined): "open" | "closed" | "unknown" {
  return gate === undefined ? "unknown" : gate.gate === "absent" ? "closed" : gate.gate;
}

/** The weakest of what is known of a region's mappings: all of it is needed. */
function evidenceOf(gates: readonly ProvedGate[]): Pick<ProvedGate, "evidence" | "source"> {
  const weakest = gates.find(({ evidence }) => evidence === "rule") ?? gates[0];
  return { evidence: weakest?.evidence ?? "rule", source: weakest?.source ?? "version" };
}

/** Only vfio-pci's own handler had the faults that came and went; nvgrace-gpu's came after them. */
function handlerOf({ kernel }: Machine, { kind }: DeviceFile, { driver, region }: Identity): FaultHandler {
  const isVfio = kind === "vfio-group" || kind === "vfio-cdev" || kind === "vfio-dmabuf";
  return isVfio && isVfioPci(driver, region) ? faultHandler(kernel) : SOUND_HANDLER;
}

/** Nothing but pages, on an architecture whose tables are not known; null where not even the size of a page is. */
function basePagesOf(vmas: readonly Vma[], pageSize: number | null): Cost | null {
  if (pageSize === null) return null;
  const pages = vmas.reduce((sum, { size }) => sum + size, 0) / pageSize;
  const spans = vmas.map(({ size }) => [{ offset: 0, size, leaf: pageSize }]);
  return { leaves: [{ size: pageSize, count: pages }], faults: pages, pageTableBytes: null, spans };
}

function reasonsFor(
  shortfall: Judgement["shortfalls"][number],
  gates: readonly ProvedGate[],
  { device }: Identity,
): Reason[] {
  const causes = (isUnknown: boolean): Reason[] =>
    gates.flatMap(({ gate, cause }) => ((gate === "unknown") === isUnknown && cause !== null ? [cause] : []));
  switch (shortfall) {
    case "gate":
      return causes(false);
    case "gate-unknown":
      return causes(true).map((cause) =>
        cause === "driver-unknown" && device === null ? "device-unknown" : cause,
      );
    case "physical-unknown":
      return [device === null ? "device-unknown" : "physical-unknown"];
    case "misaligned":
    case "split":
    case "wrong-memory":
    case "touch-order":
      return [shortfall];
  }
}

/** What a mapping shows, in a phrase: `region 2 of 0000:01:00.0`. */
export function regionInWords({ kind, identity: { device, region, physical } }: InspectedMapping): string {
  if (device === null && kind === "mem") return `/dev/mem from 0x${physical?.toString(16) ?? "?"} on`;
  const what = region === null ? "a region" : `region ${region}`;
  return `${what} of ${device ?? "an unknown device"}`;
}

/** How far an address is from where its mapping's largest possible leaf wants it: of the first that misses. */
function missOf(group: RegionGroup, best: Cost): string {
  const leaf = best.leaves[0]?.size;
  if (leaf === undefined) return "";
  const unit = BigInt(leaf);
  const boundary = `a ${formatSize(leaf)} boundary`;
  for (const { vma, identity } of group) {
    const { congruence } = identity;
    if (congruence === null) continue;
    const past = pastMultiple(vma.start - congruence, unit);
    if (past !== 0n)
      return `0x${past.toString(16)} past ${congruence % unit === 0n ? "" : "where the device's memory has "}${boundary}`;
  }
  return "";
}
