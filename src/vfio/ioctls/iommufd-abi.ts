/** The part of `linux/iommufd.h` that hugebar uses: an I/O address space (IOAS) and its mappings. */

import { struct } from "../../system/struct.ts";

/** `_IO(IOMMUFD_TYPE, number)` */
function ioctlNumber(number: number): number {
  const IOMMUFD_TYPE = ";".charCodeAt(0);
  return (IOMMUFD_TYPE << 8) | number;
}

export const IOMMU_DESTROY = ioctlNumber(0x80);
export const IOMMU_IOAS_ALLOC = ioctlNumber(0x81);
export const IOMMU_IOAS_IOVA_RANGES = ioctlNumber(0x84);
export const IOMMU_IOAS_MAP = ioctlNumber(0x85);
export const IOMMU_IOAS_UNMAP = ioctlNumber(0x86);
/** Linux 6.6 */
export const IOMMU_HWPT_ALLOC = ioctlNumber(0x89);
/** Linux 6.7 */
export const IOMMU_HWPT_SET_DIRTY_TRACKING = ioctlNumber(0x8b);
export const IOMMU_HWPT_GET_DIRTY_BITMAP = ioctlNumber(0x8c);

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

/** `struct iommu_ioas_iova_ranges`; `allowed_iovas` points to `num_iovas` of the next one. */
export const IOMMU_IOAS_IOVA_RANGES_ARGUMENT = struct({
  size: "u32",
  ioas_id: "u32",
  num_iovas: "u32",
  __reserved: "u32",
  allowed_iovas: "u64",
  out_iova_alignment: "u64",
});

/** `struct iommu_iova_range` */
export const IOMMU_IOVA_RANGE = struct({ start: "u64", last: "u64" });

/** `struct iommu_destroy` */
export const IOMMU_DESTROY_ARGUMENT = struct({ size: "u32", id: "u32" });

/** `struct iommu_hwpt_alloc` up to `data_uptr`: what every kernel with it knows. */
export const IOMMU_HWPT_ALLOC_ARGUMENT = struct({
  size: "u32",
  flags: "u32",
  dev_id: "u32",
  pt_id: "u32",
  out_hwpt_id: "u32",
  __reserved: "u32",
  data_type: "u32",
  data_len: "u32",
  data_uptr: "u64",
});

export const IOMMU_HWPT_ALLOC_DIRTY_TRACKING = 1 << 1;

/** `struct iommu_hwpt_set_dirty_tracking` */
export const IOMMU_HWPT_SET_DIRTY_TRACKING_ARGUMENT = struct({
  size: "u32",
  flags: "u32",
  hwpt_id: "u32",
  __reserved: "u32",
});

export const IOMMU_HWPT_DIRTY_TRACKING_ENABLE = 1;

/** `struct iommu_hwpt_get_dirty_bitmap`; `data` points to the bitmap. */
export const IOMMU_HWPT_GET_DIRTY_BITMAP_ARGUMENT = struct({
  size: "u32",
  hwpt_id: "u32",
  flags: "u32",
  __reserved: "u32",
  iova: "u64",
  length: "u64",
  page_size: "u64",
  data: "u64",
});
