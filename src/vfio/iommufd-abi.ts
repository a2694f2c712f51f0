/** The part of `linux/iommufd.h` that hugebar uses: an I/O address space (IOAS) and its mappings. */

import { struct } from "../system/struct.ts";

/** `_IO(IOMMUFD_TYPE, number)` */
function ioctlNumber(number: number): number {
  const IOMMUFD_TYPE = ";".charCodeAt(0);
  return (IOMMUFD_TYPE << 8) | number;
}

export const IOMMU_IOAS_ALLOC = ioctlNumber(0x81);
export const IOMMU_IOAS_MAP = ioctlNumber(0x85);
export const IOMMU_IOAS_UNMAP = ioctlNumber(0x86);

/** `struct iommu_ioas_alloc` */
export const IOMMU_IOAS_ALLOC_ARGUMENT = struct({ size: "u32", flags: "u32", out_ioas_id: "u32" });

/** `struct iommu_ioas_map` */
export const IOMMU_IOAS_MAP_ARGUMENT = struct({
  size: "u32",
  flags: "u32",
  ioas_id: "u32",
  __reserved: "u32",
  user_va: "u64",
  length: "u64",
  iova: "u64",
});

export const IOMMU_IOAS_MAP_FIXED_IOVA = 1 << 0;
export const IOMMU_IOAS_MAP_WRITEABLE = 1 << 1;
export const IOMMU_IOAS_MAP_READABLE = 1 << 2;

/** `struct iommu_ioas_unmap` */
export const IOMMU_IOAS_UNMAP_ARGUMENT = struct({ size: "u32", ioas_id: "u32", iova: "u64", length: "u64" });
