/** The leaves under a mapping: what this machine's kernel makes of its addresses. */

import { countLeaves, faultsOf } from "../../layout/leaves.ts";
import { nextPowerOfTwo } from "../../layout/sizes.ts";
import { predictLayout, type LayoutPrediction, type PredictedRange } from "../../layout/prediction.ts";
import type { PagingModel } from "../../layout/paging.ts";
import type { LaidArea } from "../../memory/lay-region.ts";
import { readSmaps, type SmapsEntry } from "../../memory/smaps.ts";
import { hasHugePfnmap, isBarOf, isVfioPci } from "../../rules/drivers.ts";
import {
  canBeEligible,
  gateOfMapping,
  type Evidence,
  type MappingState,
  type ProvedGate,
} from "../../rules/evidence.ts";
import type { ThpGate } from "../../rules/gate.ts";
import { learn } from "../../rules/learn.ts";
import { faultHandler, SOUND_HANDLER } from "../../rules/handler.ts";
import { unknownLeaves, type HostKernel, type ModelledKernel } from "./host-kernel.ts";
import type { MappedRegion } from "./mapped-region.ts";

/** A mapping's leaves and what they cost. */
export interface MappingLayout extends Omit<LayoutPrediction, "pageTableBytes"> {
  /** Null on an architecture whose page tables hugebar does not know. */
  readonly model: PagingModel["name"] | null;
  /** Null there too. */
  readonly pageTableBytes: number | null;
  /** Whether this kernel uses huge leaves for it at all. */
  readonly gate: ThpGate;
  /** How that is known: by the kernel's version, or by its own word (`THPeligible`). */
  readonly evidence: Evidence;
}

/** One on an architecture whose page tables are known. */
export interface ModelledLayout extends MappingLayout {
  readonly model: PagingModel["name"];
  readonly pageTableBytes: number;
}

export function isModelled(layout: MappingLayout): layout is ModelledLayout {
  return layout.model !== null && layout.pageTableBytes !== null;
}

/** What a prediction needs of a mapping. */
export interface LaidMapping {
  readonly region: MappedRegion;
  readonly areas: readonly LaidArea[];
  readonly advised: boolean;
  /** Huge pages were forbidden (MADV_NOHUGEPAGE). */
  readonly guarded: boolean;
}

/**
 * The physical address of a region, or one that is congruent with it; null where neither is known. A BAR lies at a multiple of
 * its size (PCI Local Bus Specification 3.0, 6.2.5.1), so congruence is known even where the address is not; memory that a
 * driver has of its own may lie anywhere.
 */
function knownCongruence(region: MappedRegion): bigint | null {
  const isBar = region.backing === "shared-memory" || isBarOf(region.driver, region.index);
  return isBar ? physicalOrCongruent(region) : region.physical;
}

/**
 * The same for what is drawn, or comes to nothing otherwise: taken as a BAR's where it is not known.
 *
 * @internal
 */
export function physicalOrCongruent({ physical, size }: MappedRegion): bigint {
  return physical ?? BigInt(nextPowerOfTwo(size));
}

/**
 * The leaves of a device's memory at these addresses, under the rules of `vfio_pci_core.c` (docs/huge-pages.md). An
 * architecture whose kernels have no huge leaves for it has pages, whatever its page tables.
 *
 * @throws ERR_NOT_SUPPORTED where page tables are not known and that is not known either
 */
export function predictDeviceLeaves(mapping: LaidMapping, kernel: HostKernel): MappingLayout {
  const { model } = kernel;
  if (model !== null) return predictModelled(mapping, { ...kernel, model });
  if (hasHugePfnmap(kernel.release, kernel.arch) !== false) throw unknownLeaves(kernel);
  return basePagesOf(mapping.areas, kernel.pageSize);
}

function basePagesOf(areas: readonly LaidArea[], pageSize: number): MappingLayout {
  const spans = areas.map(({ size }) => [{ offset: 0, size, leaf: pageSize }]);
  const leaves = countLeaves(spans.flat());
  const figures = { leaves, faults: faultsOf(leaves), pageTableBytes: null, spans, doubts: [], worst: null };
  return { ...figures, model: null, gate: "absent", evidence: "rule" };
}

function predictModelled(mapping: LaidMapping, kernel: ModelledKernel): ModelledLayout {
  const { region, areas } = mapping;
  const physical = knownCongruence(region);
  const ranges = areas.map(({ offset, size, address }) => ({
    address,
    size,
    physical: physical === null ? null : physical + BigInt(offset),
  }));
  // Shared memory that stands for a device is no pfnmap; what is predicted is the device it stands for.
  const isDevice = region.backing === "device";
  const { gate, evidence } = isDevice ? gateOf(mapping, kernel) : EMULATED;
  const handler =
    isDevice && isVfioPci(region.driver, region.index) ? faultHandler(kernel.release) : SOUND_HANDLER;
  const prediction = predictLayout(ranges, kernel.model, gate, handler);
  return { ...prediction, model: kernel.model.name, gate, evidence };
}

const EMULATED = { gate: "open", evidence: "rule" } as const;

/** By the rules and what was learned; where they do not decide, by what the kernel says of these very mappings. */
function gateOf(mapping: LaidMapping, kernel: ModelledKernel): Pick<ProvedGate, "gate" | "evidence"> {
  const { memory } = kernel;
  const states = mapping.areas.map((area) => stateOf(mapping, area, kernel));
  const [first, ...others] = states.map((state) => gateOfMapping(state, memory.learned));
  if (first === undefined) return EMULATED;
  if ([first, ...others].every(({ gate }) => gate !== "unknown")) return first;
  const smaps = readOwnSmaps(mapping.areas);
  const seen = states.map((state) =>
    Object.assign({}, state, { eligible: smaps.get(state.address)?.eligible ?? null }),
  );
  memory.learned = seen.reduce(learn, memory.learned);
  // What is too small, or lies elsewhere, is in base pages whatever the gate.
  const proved = seen.filter(({ suitable }) => suitable).map((state) => gateOfMapping(state, memory.learned));
  return proved.find(({ gate }) => gate !== "open") ?? proved[0] ?? first;
}

function stateOf(
  { region, advised, guarded }: LaidMapping,
  { offset, size, address }: LaidArea,
  { release, arch, model, thpEnabled, thpDisabled, withoutThp }: ModelledKernel,
): MappingState & { readonly address: bigint } {
  return {
    address,
    kernel: release,
    arch,
    enabled: thpEnabled,
    disabled: thpDisabled,
    withoutThp,
    advised: advised && !guarded,
    forbidden: guarded,
    driver: region.driver,
    region: region.index,
    eligible: null,
    suitable: canBeEligible({ start: address, size, offset: BigInt(region.fdOffset + offset) }, model),
    physicalOffset: false,
  };
}

function readOwnSmaps(areas: readonly LaidArea[]): ReadonlyMap<bigint, SmapsEntry> {
  try {
    return readSmaps("/proc/self/smaps", new Set(areas.map(({ address }) => address)));
  } catch {
    return new Map();
  }
}

/**
 * The leaves of the memory that is really there, to be held against a measurement: for a device the same; for shared
 * memory those of tmpfs, which has PMD leaves at most and a switch of its own.
 */
export function predictRealLeaves(mapping: LaidMapping, kernel: ModelledKernel): ModelledLayout {
  if (mapping.region.backing === "device") return predictModelled(mapping, kernel);
  const gate = sharedMemoryGate(kernel.shmemEnabled, mapping.advised);
  const ranges = mapping.areas.map(({ offset, size, address }): PredictedRange => ({
    address,
    size,
    // Congruence with the file's offset takes the place of the physical address (mm/memory.c: do_set_pmd).
    physical: BigInt(mapping.region.fdOffset + offset),
  }));
  const model = { ...kernel.model, pudLeaf: false };
  return { ...predictLayout(ranges, model, gate), model: kernel.model.name, gate, evidence: "rule" };
}

/** Documentation/admin-guide/mm/transhuge.rst, "Shmem / internal tmpfs"; a memfd lies in the internal mount. */
function sharedMemoryGate(shmemEnabled: string | null, advised: boolean): ThpGate {
  switch (shmemEnabled) {
    case "always":
    case "within_size":
    case "force":
      return "open";
    case "advise":
      return advised ? "open" : "closed";
    case null:
      return "absent";
    default:
      return "closed";
  }
}
