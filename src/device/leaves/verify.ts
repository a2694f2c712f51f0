/** The proof: leaves predicted against leaves taken. */

import { requireWhole } from "../../arguments.ts";
import { hugebarError } from "../../errors.ts";
import { countLeaves, faultsOf, type LeafCount } from "../../layout/leaves.ts";
import { pageTableBytes } from "../../layout/page-tables.ts";
import { readMemoryCounters } from "../../memory/counters.ts";
import type { System } from "../../system/system.ts";
import type { ModelledKernel } from "./host-kernel.ts";
import {
  judgeCounters,
  judgeLeaves,
  measureLeaves,
  type Comparison,
  type LeavesFound,
  type ReadableMapping,
  type Stretch,
} from "./measure-leaves.ts";
import { predictRealLeaves, type LaidMapping, type MappingLayout } from "./mapping-layout.ts";

/** Which part of a mapping to touch. */
export interface VerifyOptions {
  /** First byte, counted from the region's start; 0 by default. At most the region's size. */
  readonly offset?: number;
  /**
   * Bytes from there; by default all that follows, and 64 MiB where shared memory stands for the device, because
   * touching allocates it.
   */
  readonly length?: number;
  /** Stop after this many leaves, from 1; 4,096 by default. */
  readonly maxLeaves?: number;
}

/** What was predicted and what was measured. */
export interface Verification {
  /** The leaves touched, as predicted, large to small. */
  readonly leaves: readonly LeafCount[];
  /** Bytes of the region under the leaves touched. */
  readonly bytes: number;
  /**
   * How it was measured. `addresses`: each leaf by itself, by the addresses of the faults in it. `counters`: all together,
   * by the counters of /proc, which count the process's other faults too; `whyCounters` says why.
   */
  readonly measuredBy: "addresses" | "counters";
  readonly whyCounters: string | null;
  /** The leaves touched, by what was found of each; null where they were not looked at one by one. */
  readonly found: LeavesFound | null;
  /** By addresses, the measured ones are those of the leaves touched alone. */
  readonly faults: Comparison;
  /** Growth of the process's page tables (VmPTE). */
  readonly pageTableBytes: Comparison;
  /**
   * `agrees`: the kernel used the leaves predicted. `differs`: it used smaller ones. `inconclusive`: nothing was touched,
   * or some of it had been touched before; verify right after mapping.
   */
  readonly verdict: "agrees" | "differs" | "inconclusive";
  /** Why huge leaves are not to be had here; null where they are. */
  readonly hindrance: string | null;
}

const DEFAULT_MAX_LEAVES = 4096;
const SHARED_MEMORY_LENGTH = 64 * 1024 * 1024;

/** Touches every leaf chosen and compares. See `Mapping.verify`. */
export function verifyMapping(
  mapping: ReadableMapping,
  kernel: ModelledKernel,
  options: VerifyOptions,
  system: System,
): Verification {
  const { region } = mapping;
  if (!region.readable) {
    throw hugebarError("ERR_NOT_SUPPORTED", {
      action: `verify the mapping of region ${region.name}`,
      problem: "the device does not allow to read it",
    });
  }
  const layout = predictRealLeaves(mapping, kernel);
  const stretches = chooseStretches(mapping, layout, options);
  const leaves = countLeaves(stretches);
  const ranges = stretches.map(({ address, size, leaf }) => ({
    address,
    spans: [{ offset: 0, size, leaf }],
  }));
  const before = readMemoryCounters();
  const measured = measureLeaves(mapping, stretches, kernel.model.pageSize, system);
  const tables = {
    predicted: pageTableBytes(ranges, kernel.model),
    measured: readMemoryCounters().vmPteBytes - before.vmPteBytes,
  };
  const { faults, found, touches, whyCounters } = measured;
  return {
    leaves,
    bytes: stretches.reduce((sum, { size }) => sum + size, 0),
    measuredBy: found === null ? "counters" : "addresses",
    whyCounters,
    found,
    faults: { predicted: faultsOf(leaves), measured: faults },
    pageTableBytes: tables,
    verdict:
      found === null
        ? judgeCounters({ predicted: faultsOf(leaves), measured: faults }, tables, touches)
        : judgeLeaves(found),
    hindrance: hindranceOf(mapping, layout, kernel),
  };
}

/** The whole leaves that overlap the part asked for, at most `maxLeaves` of them. */
function chooseStretches(mapping: LaidMapping, layout: MappingLayout, options: VerifyOptions): Stretch[] {
  const { region, areas } = mapping;
  const all = region.backing === "device" ? region.size : SHARED_MEMORY_LENGTH;
  const { offset = 0, length = all, maxLeaves = DEFAULT_MAX_LEAVES } = options;
  requireWhole("offset to verify from", offset, 0, region.size);
  requireWhole("length to verify", length, 0);
  requireWhole("number of leaves to verify", maxLeaves, 1);
  const wantedEnd = Math.min(offset + length, region.size);
  const chosen: Stretch[] = [];
  let left = maxLeaves;
  for (const [number, area] of areas.entries()) {
    for (const span of layout.spans[number] ?? []) {
      const start = area.offset + span.offset;
      const first = Math.max(0, Math.floor((offset - start) / span.leaf));
      const end = Math.min(span.size / span.leaf, Math.ceil((wantedEnd - start) / span.leaf));
      const count = Math.min(left, end - first);
      if (count <= 0 || offset >= wantedEnd) continue;
      left -= count;
      chosen.push({
        offset: start + first * span.leaf,
        size: count * span.leaf,
        leaf: span.leaf,
        address: area.address + BigInt(span.offset + first * span.leaf),
      });
    }
  }
  return chosen;
}

function hindranceOf(mapping: LaidMapping, layout: MappingLayout, kernel: ModelledKernel): string | null {
  if (layout.gate === "open" || layout.gate === "unknown") return null;
  if (layout.gate === "absent") return `this kernel (${kernel.release}) has no huge leaves for it`;
  if (mapping.region.backing === "device" && kernel.thpDisabled !== null) {
    return "transparent huge pages are off for this process (PR_SET_THP_DISABLE)";
  }
  return mapping.region.backing === "device"
    ? `transparent_hugepage/enabled is ${kernel.thpEnabled ?? "unknown"}`
    : `transparent_hugepage/shmem_enabled is ${kernel.shmemEnabled ?? "unknown"}`;
}
