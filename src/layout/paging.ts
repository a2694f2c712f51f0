/** How architectures page memory, as far as device memory is concerned. */

import { GIB, KIB, MIB } from "./sizes.ts";

/**
 * A paging model: the sizes, in bytes, of what one entry maps at each level of the page tables. One table fills one
 * page, at every level: a PTE table serves `pmdSize` bytes of addresses, a PMD table `pudSize`.
 */
export interface PagingModel {
  readonly name: "x86-64" | "arm64-4k" | "arm64-16k" | "arm64-64k";
  readonly pageSize: number;
  readonly pmdSize: number;
  readonly pudSize: number;
  /** Whether device memory can have PUD leaves: ARCH_SUPPORTS_PUD_PFNMAP (mm/Kconfig), x86-64 alone as of Linux 7. */
  readonly pudLeaf: boolean;
}

/** The models that hugebar knows. An arm64 kernel is built for one of three page sizes; tables have pageSize / 8 entries. */
export const pagingModels = {
  "x86-64": { name: "x86-64", pageSize: 4 * KIB, pmdSize: 2 * MIB, pudSize: GIB, pudLeaf: true },
  "arm64-4k": { name: "arm64-4k", pageSize: 4 * KIB, pmdSize: 2 * MIB, pudSize: GIB, pudLeaf: false },
  "arm64-16k": {
    name: "arm64-16k",
    pageSize: 16 * KIB,
    pmdSize: 32 * MIB,
    pudSize: 64 * GIB,
    pudLeaf: false,
  },
  "arm64-64k": {
    name: "arm64-64k",
    pageSize: 64 * KIB,
    pmdSize: 512 * MIB,
    pudSize: 4096 * GIB,
    pudLeaf: false,
  },
} as const satisfies Record<PagingModel["name"], PagingModel>;

/** The sizes in bytes that a leaf of device memory can have, large to small. */
export function leafSizes({ pageSize, pmdSize, pudSize, pudLeaf }: PagingModel): number[] {
  return pudLeaf ? [pudSize, pmdSize, pageSize] : [pmdSize, pageSize];
}

/**
 * The model of a machine, or null where hugebar knows none.
 *
 * @param machineArch as `process.arch` names it: `x64`, `arm64`
 * @param pageSize the kernel's page size in bytes
 */
export function modelFor(machineArch: string, pageSize: number): PagingModel | null {
  const prefix = { x64: "x86-64", arm64: "arm64-" }[machineArch];
  if (prefix === undefined) return null;
  const models = Object.values(pagingModels);
  return models.find((model) => model.name.startsWith(prefix) && model.pageSize === pageSize) ?? null;
}
