/** The leaves under a mapping: what this machine's kernel makes of its addresses. */

import { nextPowerOfTwo } from "../layout/sizes.ts";
import { predictLayout, type LayoutPrediction, type PredictedRange } from "../layout/prediction.ts";
import { thpGate, type ThpGate } from "../rules/gate.ts";
import type { PagingModel } from "../layout/paging.ts";
import type { LaidArea } from "../memory/lay-region.ts";
import type { HostKernel } from "./host-kernel.ts";
import type { MappedRegion } from "./mapped-region.ts";

/** A mapping's leaves and what they cost. */
export interface MappingLayout extends LayoutPrediction {
  readonly model: PagingModel["name"];
  /** Whether this kernel uses huge leaves for it at all. */
  readonly gate: ThpGate;
}

/** What a prediction needs of a mapping. */
export interface LaidMapping {
  readonly region: MappedRegion;
  readonly areas: readonly LaidArea[];
  readonly advised: boolean;
}

/**
 * The physical address of a region, or one that is congruent with it: a BAR lies at a multiple of its size (PCI Local Bus
 * Specification 3.0, 6.2.5.1), so congruence is known even where the address is not.
 *
 * @internal
 */
export function physicalOrCongruent({ physical, size }: MappedRegion): bigint {
  return physical ?? BigInt(nextPowerOfTwo(size));
}

/** The leaves of a device's memory at these addresses, under the rules of `vfio_pci_core.c` (docs/huge-pages.md). */
export function predictDeviceLeaves(mapping: LaidMapping, kernel: HostKernel): MappingLayout {
  const { region, areas, advised } = mapping;
  // Shared memory that stands for a device is no pfnmap; what is predicted is the device it stands for.
  const gate =
    region.backing === "device"
      ? thpGate({ kernel: kernel.release, enabled: kernel.thpEnabled, advised })
      : "open";
  const physical = physicalOrCongruent(region);
  const ranges = areas.map(({ offset, size, address }) => ({
    address,
    size,
    physical: physical + BigInt(offset),
  }));
  return { ...predictLayout(ranges, kernel.model, gate), model: kernel.model.name, gate };
}

/**
 * The leaves of the memory that is really there, to be held against a measurement: for a device the same; for shared
 * memory those of tmpfs, which has PMD leaves at most and a switch of its own.
 */
export function predictRealLeaves(mapping: LaidMapping, kernel: HostKernel): MappingLayout {
  if (mapping.region.backing === "device") return predictDeviceLeaves(mapping, kernel);
  const gate = sharedMemoryGate(kernel.shmemEnabled, mapping.advised);
  const ranges = mapping.areas.map(({ offset, size, address }): PredictedRange => ({
    address,
    size,
    // Congruence with the file's offset takes the place of the physical address (mm/memory.c: do_set_pmd).
    physical: BigInt(mapping.region.fdOffset + offset),
  }));
  const model = { ...kernel.model, pudLeaf: false };
  return { ...predictLayout(ranges, model, gate), model: kernel.model.name, gate };
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
