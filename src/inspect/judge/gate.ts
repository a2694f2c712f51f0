/** Whether the kernel gives a mapping huge leaves at a suitable address, what stands in the way if not, and how that is known. */

import type { PagingModel } from "../../layout/paging.ts";
import type { MappingWay } from "../../rules/drivers.ts";
import { canBeEligible, gateOfMapping, type MappingState, type ProvedGate } from "../../rules/evidence.ts";
import type { LearnedKernel } from "../../rules/learned.ts";
import { advisesAll, type Program } from "../../rules/program.ts";
import type { Identity } from "../identify/identity.ts";
import type { DeviceFile } from "../proc/device-file.ts";
import type { Machine } from "../proc/machine.ts";
import type { ProcessStatus } from "../proc/process.ts";
import type { SmapsEntry } from "../../memory/smaps.ts";
import type { Vma } from "../proc/vma.ts";

/** A VMA of device memory, and whose. */
export interface DeviceVma {
  readonly vma: Vma;
  readonly file: DeviceFile;
  readonly identity: Identity;
  /** What keeps vfio-pci from taking the device; null for nothing that is known. */
  readonly obstacle?: Obstacle | null;
}

/** `bridge`: vfio-pci takes none. `no-iommu`: there is none for the device. `gone`: sysfs does not have it. */
export type Obstacle = "bridge" | "no-iommu" | "gone";

/** A process that maps device memory, before it is judged. */
export interface Holder {
  readonly pid: number;
  /** Its name. */
  readonly command: string;
  /** What it runs. */
  readonly program: Program;
  readonly status: ProcessStatus;
  readonly found: readonly DeviceVma[];
}

const WAYS: Readonly<Record<DeviceFile["kind"], MappingWay>> = {
  "vfio-group": "vfio",
  "vfio-cdev": "vfio",
  "vfio-dmabuf": "vfio",
  sysfs: "sysfs",
  "proc-bus-pci": "proc-bus-pci",
  uio: "uio",
  mem: "mem",
  // nvgrace-egm lays it as /dev/mem does, by remap_pfn_range.
  egm: "mem",
  "vfio-user": "vfio-user",
};

/** The gate of a mapping, and whether its program asks for huge pages; null where that is not known. */
export interface JudgedGate extends ProvedGate {
  readonly advised: boolean | null;
}

/**
 * @param smaps what smaps says of the mapping; null where it was not read
 * @param learned what the kernel has shown elsewhere
 */
export function gateOf(
  machine: Machine,
  holder: Holder,
  mapping: DeviceVma,
  smaps: SmapsEntry | null,
  learned: LearnedKernel,
): JudgedGate {
  const state = stateOf(machine, holder, mapping, smaps);
  // Whoever may not look has the program's word.
  const advised = state.advised ?? advisesAll(holder.program);
  return { ...gateOfMapping({ ...state, advised }, learned), advised };
}

/** What decides about a mapping. */
export function stateOf(
  { kernel, arch, thp, withoutThp, model }: Machine,
  { status: { thpEnabled } }: Pick<Holder, "status">,
  { vma, file, identity }: DeviceVma,
  smaps: SmapsEntry | null,
): MappingState {
  return {
    kernel,
    arch: arch === "" ? null : arch,
    enabled: thp,
    withoutThp,
    way: WAYS[file.kind],
    driver: identity.driver,
    region: identity.region,
    advised: smaps?.huge ?? null,
    forbidden: smaps?.never ?? false,
    disabled: thpEnabled === false ? "all" : null,
    eligible: smaps?.eligible ?? null,
    suitable: isSuitable(vma, model),
    physicalOffset: identity.physicalOffset,
  };
}

function isSuitable(vma: Vma, model: PagingModel | null): boolean {
  return model !== null && canBeEligible(vma, model);
}
