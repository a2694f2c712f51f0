/** How architectures page memory, as far as device memory is concerned. */

import { GIB, KIB, MIB } from "./sizes.ts";

/** A paging model: the sizes, in bytes, of what one entry maps at each level of the page tables, and of the tables. */
export interface PagingModel {
  readonly name:
    | "x86-64"
    | "arm64-4k"
    | "arm64-16k"
    | "arm64-64k"
    | "riscv64"
    | "ppc64-radix-4k"
    | "ppc64-radix-64k";
  readonly pageSize: number;
  readonly pmdSize: number;
  readonly pudSize: number;
  /** Whether device memory can have PUD leaves: ARCH_SUPPORTS_PUD_PFNMAP (mm/Kconfig). */
  readonly pudLeaf: boolean;
  /** A PTE table, which serves `pmdSize` bytes of addresses: one page, except where several share one. */
  readonly pteTableSize: number;
  /** A PMD table, which serves `pudSize` bytes of addresses. */
  readonly pmdTableSize: number;
}

/** Where every table fills one page with entries of eight bytes: so it is wherever nothing else is said. */
function filling<Name extends PagingModel["name"]>(name: Name, pageSize: number, pudLeaf: boolean) {
  const pmdSize = (pageSize * pageSize) / 8;
  const pudSize = (pmdSize * pageSize) / 8;
  return {
    name,
    pageSize,
    pmdSize,
    pudSize,
    pudLeaf,
    pteTableSize: pageSize,
    pmdTableSize: pageSize,
  } as const;
}

/**
 * The models that hugebar knows: of the architectures whose kernels have huge leaves for device memory at all
 * (`select ARCH_SUPPORTS_HUGE_PFNMAP`). An arm64 kernel is built for one of three page sizes, a ppc64 one for one of two.
 */
export const pagingModels = {
  "x86-64": filling("x86-64", 4 * KIB, true),
  "arm64-4k": filling("arm64-4k", 4 * KIB, false),
  "arm64-16k": filling("arm64-16k", 16 * KIB, false),
  "arm64-64k": filling("arm64-64k", 64 * KIB, false),
  // arch/riscv/include/asm/pgtable-64.h: the same for Sv39, Sv48 and Sv57.
  riscv64: filling("riscv64", 4 * KIB, true),
  // arch/powerpc/include/asm/book3s/64/radix-4k.h
  "ppc64-radix-4k": filling("ppc64-radix-4k", 4 * KIB, true),
  // radix-64k.h: 32 entries in a PTE table, 256 bytes of a page that such tables share; 512 in a PMD table.
  "ppc64-radix-64k": {
    name: "ppc64-radix-64k",
    pageSize: 64 * KIB,
    pmdSize: 2 * MIB,
    pudSize: GIB,
    pudLeaf: true,
    pteTableSize: 256,
    pmdTableSize: 4 * KIB,
  },
} as const satisfies Record<PagingModel["name"], PagingModel>;

/** The sizes in bytes that a leaf of device memory can have, large to small. */
export function leafSizes({ pageSize, pmdSize, pudSize, pudLeaf }: PagingModel): number[] {
  return pudLeaf ? [pudSize, pmdSize, pageSize] : [pmdSize, pageSize];
}

const FAMILIES: readonly (readonly [arch: RegExp, models: readonly PagingModel[]])[] = [
  [/^x86_64$/, [pagingModels["x86-64"]]],
  [/^aarch64$/, [pagingModels["arm64-4k"], pagingModels["arm64-16k"], pagingModels["arm64-64k"]]],
  [/^riscv64$/, [pagingModels.riscv64]],
  [/^ppc64(?:le)?$/, [pagingModels["ppc64-radix-4k"], pagingModels["ppc64-radix-64k"]]],
];

/**
 * The model of a machine, or null where its kernel has no huge leaves for device memory, or hugebar does not know them.
 *
 * @param arch as the kernel names it (`uname -m`): `x86_64`, `aarch64`
 * @param pageSize the kernel's page size in bytes
 * @param pmdSize what transparent huge pages are of, in bytes, where that is known (`hpage_pmd_size`)
 */
export function modelFor(arch: string, pageSize: number, pmdSize: number | null = null): PagingModel | null {
  const models = FAMILIES.find(([name]) => name.test(arch))?.[1] ?? [];
  return (
    models.find((model) => model.pageSize === pageSize && (pmdSize === null || model.pmdSize === pmdSize)) ??
    null
  );
}

/**
 * An architecture as the kernel names it, for Node's name of it; Node's own where they are the same.
 *
 * @param nodeArch `process.arch`
 */
export function kernelArch(nodeArch: string): string {
  return KERNEL_ARCH.get(nodeArch) ?? nodeArch;
}

const KERNEL_ARCH = new Map([
  ["x64", "x86_64"],
  ["arm64", "aarch64"],
  ["ppc64", "ppc64le"],
  ["ia32", "i686"],
  ["loong64", "loongarch64"],
]);
