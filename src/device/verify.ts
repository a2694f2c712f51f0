/** The proof: leaves predicted against leaves taken, by the faults and the page tables that touching them costs. */

import { hugebarError } from "../errors.ts";
import { countLeaves, faultsOf, type LeafCount, type LeafSpan } from "../layout/leaves.ts";
import { pageTableBytes } from "../layout/page-tables.ts";
import { readMemoryCounters } from "../memory/counters.ts";
import type { HostKernel } from "./host-kernel.ts";
import { predictRealLeaves, type LaidMapping, type MappingLayout } from "./mapping-layout.ts";

/** Which part of a mapping to touch. */
export interface VerifyOptions {
  /** First byte, counted from the region's start; 0 by default. */
  readonly offset?: number;
  /**
   * Bytes from there; by default all that follows, and 64 MiB where shared memory stands for the device, because
   * touching allocates it.
   */
  readonly length?: number;
  /** Stop after this many leaves; 4,096 by default. */
  readonly maxLeaves?: number;
}

/** A figure as predicted, and as this machine had it. */
export interface Comparison {
  readonly predicted: number;
  readonly measured: number;
}

/** What was predicted and what was measured. */
export interface Verification {
  /** The leaves touched, as predicted, large to small. */
  readonly leaves: readonly LeafCount[];
  /** Bytes of the region under the leaves touched. */
  readonly bytes: number;
  readonly faults: Comparison;
  /** Growth of the process's page tables (VmPTE). */
  readonly pageTableBytes: Comparison;
  /**
   * `agrees`: the kernel used the leaves predicted. `differs`: it used smaller ones. `inconclusive`: there were fewer
   * faults than leaves, because some had been touched before; verify right after mapping.
   */
  readonly verdict: "agrees" | "differs" | "inconclusive";
  /** Why huge leaves are not to be had here; null where they are. */
  readonly hindrance: string | null;
}

const DEFAULT_MAX_LEAVES = 4096;
const SHARED_MEMORY_LENGTH = 64 * 1024 * 1024;

/** Touches in all, at least: leaves smaller than predicted must cost far more faults than the process takes anyway. */
const MIN_TOUCHES = 1024;

/** Page tables that the process may need for itself meanwhile: its heap, and the levels above the ones counted. */
const PAGE_TABLE_ALLOWANCE = 256 * 1024;

/** What touching needs of a mapping. */
export interface ReadableMapping extends LaidMapping {
  read8(offset: number): number;
}

/** A stretch of leaves of one size, `offset` counted from the region's start. */
interface Stretch extends LeafSpan {
  readonly address: bigint;
}

/** Touches every leaf chosen and compares. See `Mapping.verify`. */
export function verifyMapping(
  mapping: ReadableMapping,
  kernel: HostKernel,
  options: VerifyOptions,
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

  const touchesPerLeaf = Math.max(2, Math.ceil(MIN_TOUCHES / Math.max(1, faultsOf(leaves))));

  const before = readMemoryCounters();
  for (const stretch of stretches) touch(mapping, stretch, touchesPerLeaf);
  const after = readMemoryCounters();

  const faults = { predicted: faultsOf(leaves), measured: after.minorFaults - before.minorFaults };
  const tables = {
    predicted: pageTableBytes(ranges, kernel.model),
    measured: after.vmPteBytes - before.vmPteBytes,
  };
  return {
    leaves,
    bytes: stretches.reduce((sum, { size }) => sum + size, 0),
    faults,
    pageTableBytes: tables,
    verdict: judge(faults, tables, touchesPerLeaf),
    hindrance: hindranceOf(mapping, layout, kernel),
  };
}

/** The whole leaves that overlap the part asked for, at most `maxLeaves` of them. */
function chooseStretches(mapping: LaidMapping, layout: MappingLayout, options: VerifyOptions): Stretch[] {
  const { region, areas } = mapping;
  const offset = options.offset ?? 0;
  const length = options.length ?? (region.backing === "device" ? region.size : SHARED_MEMORY_LENGTH);
  const chosen: Stretch[] = [];
  let left = options.maxLeaves ?? DEFAULT_MAX_LEAVES;
  for (const [number, area] of areas.entries()) {
    for (const span of layout.spans[number] ?? []) {
      const start = area.offset + span.offset;
      const first = Math.max(0, Math.floor((offset - start) / span.leaf));
      const end = Math.min(span.size / span.leaf, Math.ceil((offset + length - start) / span.leaf));
      const count = Math.min(left, end - first);
      if (count <= 0) continue;
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

/**
 * Touches each leaf from its first byte to its last: the first touch makes the kernel choose a leaf, and each of the
 * others faults again where the leaf is smaller than predicted. One touch alone could not tell.
 */
function touch(mapping: ReadableMapping, { offset, size, leaf }: LeafSpan, touches: number): void {
  for (let start = offset; start < offset + size; start += leaf) {
    for (let number = 0; number < touches; number++) {
      mapping.read8(start + Math.floor((number * (leaf - 1)) / (touches - 1)));
    }
  }
}

/**
 * Were the leaves smaller, nearly every touch would fault. The process's own faults (its heap, code being compiled) can
 * only add; a quarter of the way is far from both.
 */
function judge(faults: Comparison, tables: Comparison, touchesPerLeaf: number): Verification["verdict"] {
  const touches = faults.predicted * touchesPerLeaf;
  if (faults.measured > faults.predicted + (touches - faults.predicted) / 4) return "differs";
  if (tables.measured > tables.predicted + PAGE_TABLE_ALLOWANCE) return "differs";
  return faults.measured < faults.predicted ? "inconclusive" : "agrees";
}

function hindranceOf(mapping: LaidMapping, layout: MappingLayout, kernel: HostKernel): string | null {
  if (layout.gate === "open" || layout.gate === "unknown") return null;
  if (layout.gate === "absent") return `this kernel (${kernel.release}) has no huge leaves for it`;
  if (mapping.region.backing === "device" && kernel.thpDisabled !== null) {
    return "transparent huge pages are off for this process (PR_SET_THP_DISABLE)";
  }
  return mapping.region.backing === "device"
    ? `transparent_hugepage/enabled is ${kernel.thpEnabled ?? "unknown"}`
    : `transparent_hugepage/shmem_enabled is ${kernel.shmemEnabled ?? "unknown"}`;
}
