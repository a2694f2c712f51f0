/** Whether the kernel gives a mapping huge leaves at a suitable address, what stands in the way if not, and how that is known. */

import type { PagingModel } from "../../layout/paging.ts";
import type { MappingWay } from "../../rules/drivers.ts";
import {
  canBeEligible,
  gateOfMapping,
  worthOfSmaps,
  type MappingState,
  type ProvedGate,
} from "../../rules/evidence.ts";
import type { Identity } from "../identify/identify.ts";
import type { DeviceFile } from "../proc/device-file.ts";
import type { Machine } from "../proc/machine.ts";
import { isProcfs, type ProcessStatus } from "../proc/process.ts";
import type { SmapsEntry } from "../../memory/smaps.ts";
import type { Vma } from "../proc/vma.ts";

/** A VMA of device memory, and whose. */
export interface DeviceVma {
  readonly vma: Vma;
  readonly file: DeviceFile;
  readonly identity: Identity;
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

/** @param smaps what smaps says of the mapping; null where it was not read */
export function gateOf(
  machine: Machine,
  status: ProcessStatus,
  mapping: DeviceVma,
  smaps: SmapsEntry | null,
): ProvedGate {
  return gateOfMapping(stateOf(machine, status, mapping, smaps));
}

function stateOf(
  { kernel, arch, thp, withoutThp, model }: Machine,
  { thpEnabled }: Pick<ProcessStatus, "thpEnabled">,
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
    suitable: model !== null && canBeEligible(vma, model),
    physicalOffset: identity.physicalOffset,
  };
}

/**
 * The kernel walks a process's page tables whole to write smaps: with 4 KiB pages, so many bytes of them (of memory of
 * 64 GiB) take it some tenths of a second.
 */
const CHEAP_PAGE_TABLES = 128 * 1024 * 1024;

/**
 * Those of a process's mappings of which smaps says what matters, and which is worth what it costs the kernel to say so.
 */
export function toAskSmapsAbout(
  machine: Machine,
  status: ProcessStatus,
  mappings: readonly DeviceVma[],
): readonly Vma[] {
  const { model } = machine;
  if (model === null) return [];
  const worth = mappings.map((mapping) => worthOf(machine, status, mapping, model));
  // A recorded machine's is a file.
  const isCheap = (status.vmPteBytes ?? Infinity) <= CHEAP_PAGE_TABLES || !isProcfs(machine.roots.proc);
  const isWorthIt = worth.includes("needed") || (isCheap && worth.includes("cheap"));
  if (!isWorthIt) return [];
  return mappings.filter((_, index) => worth[index] !== "useless").map(({ vma }) => vma);
}

function worthOf(machine: Machine, status: ProcessStatus, mapping: DeviceVma, model: PagingModel) {
  return worthOfSmaps(stateOf(machine, status, mapping, null), mapping.vma, model);
}
