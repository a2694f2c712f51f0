/**
 * Constants and structures held against kernel headers, by a C program that is compiled and run. A header older than a
 * constant cannot judge it.
 */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as pciRegs from "../../device/file/pci-regs.ts";
import * as vfioAbi from "../../device/transport/vfio-abi.ts";
import * as iommufdAbi from "./iommufd-abi.ts";
import * as vfioKernelAbi from "./vfio-kernel-abi.ts";

const HEADERS = ["linux/types.h", "linux/vfio.h", "linux/pci_regs.h", "linux/iommufd.h"];

interface Structure {
  /** Its name in C. */
  readonly name: string;
  /** Our fields start behind this many bytes: a header declared apart. */
  readonly after?: number;
  /** A flexible array follows that is declared apart, or fields that only newer kernels know: no size to compare. */
  readonly open?: true;
  /** The macro that headers with this structure define; without it every supported header has it. */
  readonly since?: string;
}

const STRUCTURES: Record<string, Structure> = {
  VFIO_DEVICE_INFO: { name: "vfio_device_info", open: true },
  VFIO_REGION_INFO: { name: "vfio_region_info" },
  VFIO_INFO_CAP_HEADER: { name: "vfio_info_cap_header" },
  VFIO_REGION_INFO_CAP_SPARSE_MMAP_BODY: { name: "vfio_region_info_cap_sparse_mmap", after: 8 },
  VFIO_REGION_SPARSE_MMAP_AREA: { name: "vfio_region_sparse_mmap_area" },
  VFIO_REGION_INFO_CAP_TYPE_BODY: { name: "vfio_region_info_cap_type", after: 8 },
  VFIO_IRQ_INFO: { name: "vfio_irq_info" },
  VFIO_IRQ_SET: { name: "vfio_irq_set" },
  VFIO_GROUP_STATUS: { name: "vfio_group_status" },
  VFIO_IOMMU_TYPE1_INFO: { name: "vfio_iommu_type1_info", open: true },
  VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE_BODY: { name: "vfio_iommu_type1_info_cap_iova_range", after: 8 },
  VFIO_IOVA_RANGE: { name: "vfio_iova_range" },
  VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL_BODY: {
    name: "vfio_iommu_type1_info_dma_avail",
    after: 8,
    since: "VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL",
  },
  VFIO_IOMMU_TYPE1_DIRTY_BITMAP: { name: "vfio_iommu_type1_dirty_bitmap" },
  VFIO_IOMMU_TYPE1_DIRTY_BITMAP_GET: { name: "vfio_iommu_type1_dirty_bitmap_get", open: true },
  VFIO_BITMAP: { name: "vfio_bitmap" },
  VFIO_PCI_HOT_RESET_INFO: { name: "vfio_pci_hot_reset_info" },
  VFIO_PCI_DEPENDENT_DEVICE: { name: "vfio_pci_dependent_device" },
  VFIO_PCI_HOT_RESET: { name: "vfio_pci_hot_reset" },
  IOMMU_DESTROY_ARGUMENT: { name: "iommu_destroy", since: "IOMMU_DESTROY" },
  IOMMU_IOAS_IOVA_RANGES_ARGUMENT: { name: "iommu_ioas_iova_ranges", since: "IOMMU_IOAS_IOVA_RANGES" },
  IOMMU_IOVA_RANGE: { name: "iommu_iova_range", since: "IOMMU_IOAS_IOVA_RANGES" },
  IOMMU_HWPT_ALLOC_ARGUMENT: { name: "iommu_hwpt_alloc", open: true, since: "IOMMU_HWPT_ALLOC" },
  IOMMU_HWPT_SET_DIRTY_TRACKING_ARGUMENT: {
    name: "iommu_hwpt_set_dirty_tracking",
    since: "IOMMU_HWPT_SET_DIRTY_TRACKING",
  },
  IOMMU_HWPT_GET_DIRTY_BITMAP_ARGUMENT: {
    name: "iommu_hwpt_get_dirty_bitmap",
    since: "IOMMU_HWPT_GET_DIRTY_BITMAP",
  },
  VFIO_IOMMU_TYPE1_DMA_MAP: { name: "vfio_iommu_type1_dma_map" },
  VFIO_IOMMU_TYPE1_DMA_UNMAP: { name: "vfio_iommu_type1_dma_unmap" },
  VFIO_DEVICE_BIND_IOMMUFD_ARGUMENT: {
    name: "vfio_device_bind_iommufd",
    open: true,
    since: "VFIO_DEVICE_BIND_IOMMUFD",
  },
  VFIO_DEVICE_BIND_IOMMUFD_WITH_TOKEN: {
    name: "vfio_device_bind_iommufd",
    since: "VFIO_DEVICE_BIND_FLAG_TOKEN",
  },
  VFIO_DEVICE_ATTACH_IOMMUFD_PT_ARGUMENT: {
    name: "vfio_device_attach_iommufd_pt",
    open: true,
    since: "VFIO_DEVICE_ATTACH_IOMMUFD_PT",
  },
  VFIO_DEVICE_FEATURE_ARGUMENT: { name: "vfio_device_feature" },
  VFIO_DEVICE_FEATURE_DMA_BUF_DATA: {
    name: "vfio_device_feature_dma_buf",
    since: "VFIO_DEVICE_FEATURE_DMA_BUF",
  },
  VFIO_DEVICE_FEATURE_MIGRATION_DATA: { name: "vfio_device_feature_migration" },
  VFIO_DEVICE_FEATURE_MIG_STATE: { name: "vfio_device_feature_mig_state" },
  VFIO_REGION_DMA_RANGE: { name: "vfio_region_dma_range", since: "VFIO_DEVICE_FEATURE_DMA_BUF" },
  IOMMU_IOAS_ALLOC_ARGUMENT: { name: "iommu_ioas_alloc", since: "IOMMU_IOAS_ALLOC" },
  IOMMU_IOAS_MAP_ARGUMENT: { name: "iommu_ioas_map", since: "IOMMU_IOAS_MAP" },
  IOMMU_IOAS_UNMAP_ARGUMENT: { name: "iommu_ioas_unmap", since: "IOMMU_IOAS_UNMAP" },
};

/** Constants that headers from Linux 6.1 on need not have, with the macro that those which do define. */
const SINCE: Record<string, string> = {
  PCI_HEADER_TYPE_MASK: "PCI_HEADER_TYPE_MASK",
  VFIO_DEVICE_BIND_IOMMUFD: "VFIO_DEVICE_BIND_IOMMUFD",
  VFIO_DEVICE_BIND_FLAG_TOKEN: "VFIO_DEVICE_BIND_FLAG_TOKEN",
  VFIO_DEVICE_ATTACH_IOMMUFD_PT: "VFIO_DEVICE_ATTACH_IOMMUFD_PT",
  VFIO_DEVICE_FEATURE_DMA_BUF: "VFIO_DEVICE_FEATURE_DMA_BUF",
  VFIO_DEVICE_FEATURE_DMA_LOGGING_START: "VFIO_DEVICE_FEATURE_DMA_LOGGING_START",
  VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP: "VFIO_DEVICE_FEATURE_DMA_LOGGING_START",
  VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT: "VFIO_DEVICE_FEATURE_DMA_LOGGING_START",
  VFIO_MIGRATION_PRE_COPY: "VFIO_MIGRATION_PRE_COPY",
  VFIO_DEVICE_STATE_PRE_COPY: "VFIO_MIGRATION_PRE_COPY",
  VFIO_PCI_HOT_RESET_FLAG_DEV_ID: "VFIO_PCI_HOT_RESET_FLAG_DEV_ID",
  VFIO_PCI_HOT_RESET_FLAG_DEV_ID_OWNED: "VFIO_PCI_HOT_RESET_FLAG_DEV_ID_OWNED",
  IOMMU_DESTROY: "IOMMU_DESTROY",
  IOMMU_IOAS_IOVA_RANGES: "IOMMU_IOAS_IOVA_RANGES",
  IOMMU_HWPT_ALLOC: "IOMMU_HWPT_ALLOC",
  IOMMU_HWPT_SET_DIRTY_TRACKING: "IOMMU_HWPT_SET_DIRTY_TRACKING",
  IOMMU_HWPT_GET_DIRTY_BITMAP: "IOMMU_HWPT_GET_DIRTY_BITMAP",
  IOMMU_HWPT_ALLOC_DIRTY_TRACKING: "IOMMU_HWPT_SET_DIRTY_TRACKING",
  IOMMU_HWPT_DIRTY_TRACKING_ENABLE: "IOMMU_HWPT_SET_DIRTY_TRACKING",
  IOMMU_IOAS_ALLOC: "IOMMU_IOAS_ALLOC",
  IOMMU_IOAS_MAP: "IOMMU_IOAS_MAP",
  IOMMU_IOAS_UNMAP: "IOMMU_IOAS_UNMAP",
  IOMMU_IOAS_MAP_FIXED_IOVA: "IOMMU_IOAS_MAP",
  IOMMU_IOAS_MAP_WRITEABLE: "IOMMU_IOAS_MAP",
  IOMMU_IOAS_MAP_READABLE: "IOMMU_IOAS_MAP",
};

interface Check {
  /** What is compared, in C. */
  readonly expression: string;
  readonly ours: number;
  readonly since?: string | undefined;
}

function checks(): Check[] {
  const found: Check[] = [];
  const abis = { ...vfioAbi, ...vfioKernelAbi, ...iommufdAbi, ...pciRegs };
  for (const [name, value] of Object.entries(abis)) {
    if (typeof value === "number") {
      found.push({ expression: name, ours: value, since: SINCE[name] });
      continue;
    }
    const structure = STRUCTURES[name];
    assert.ok(structure, `${name} has no row in STRUCTURES`);
    const { name: cName, after = 0, open = false, since } = structure;
    if (!open) found.push({ expression: `sizeof(struct ${cName})`, ours: value.size + after, since });
    for (const [field, offset] of Object.entries(value.offsets)) {
      found.push({ expression: `offsetof(struct ${cName}, ${field})`, ours: offset + after, since });
    }
  }
  return found;
}

/** The program prints one line `INDEX VALUE` for each check that the headers can answer. */
function programText(all: readonly Check[]): string {
  return [
    "#include <stddef.h>",
    "#include <stdio.h>",
    ...HEADERS.map((header) => `#if __has_include(<${header}>)\n#include <${header}>\n#endif`),
    "int main(void) {",
    ...all.map(({ expression, since }, index) => {
      const line = `  printf("${index} %lld\\n", (long long)(${expression}));`;
      return since === undefined ? line : `#ifdef ${since}\n${line}\n#endif`;
    }),
    "}",
  ].join("\n");
}

/** What the headers say against what we say, as far as they know it. */
export interface HeaderComparison {
  /** By C expression: a constant, `sizeof` or `offsetof`. */
  readonly theirs: Readonly<Record<string, number | undefined>>;
  readonly ours: Readonly<Record<string, number | undefined>>;
  /** Expressions that the headers do not know. */
  readonly unknown: readonly string[];
}

/** Compares with the installed headers, or with those in `folders`, which then come first. */
export function compareWithHeaders(compiler: string, folders: readonly string[] = []): HeaderComparison {
  const all = checks();
  const folder = mkdtempSync(join(tmpdir(), "hugebar-headers-"));
  try {
    const [source, program] = [join(folder, "abi.c"), join(folder, "abi")];
    writeFileSync(source, programText(all));
    execFileSync(compiler, [...folders.flatMap((path) => ["-isystem", path]), "-o", program, source]);
    const answers = new Map(
      execFileSync(program, { encoding: "utf8" })
        .trimEnd()
        .split("\n")
        .map((line) => line.split(" ").map(Number))
        .map(([index = -1, value = -1]) => [index, value] as const),
    );
    const known = all.filter((_, index) => answers.has(index));
    return {
      theirs: Object.fromEntries(
        all.flatMap(({ expression }, index) =>
          answers.has(index) ? [[expression, answers.get(index)]] : [],
        ),
      ),
      ours: Object.fromEntries(known.map(({ expression, ours }) => [expression, ours])),
      unknown: all.filter((_, index) => !answers.has(index)).map(({ expression }) => expression),
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
