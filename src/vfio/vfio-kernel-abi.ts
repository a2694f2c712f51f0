/**
 * The part of `linux/vfio.h` that only the kernel has: ioctl numbers, container, group, cdev, device features. What the
 * vfio-user protocol shares stands in `device/vfio-abi.ts`.
 */

import { struct } from "../system/struct.ts";

/** `_IO(VFIO_TYPE, VFIO_BASE + number)`: VFIO encodes neither direction nor size in its ioctl numbers. */
function ioctlNumber(number: number): number {
  const VFIO_TYPE = ";".charCodeAt(0);
  const VFIO_BASE = 100;
  return (VFIO_TYPE << 8) | (VFIO_BASE + number);
}

export const VFIO_API_VERSION = 0;
export const VFIO_TYPE1v2_IOMMU = 3;

export const VFIO_GET_API_VERSION = ioctlNumber(0);
export const VFIO_CHECK_EXTENSION = ioctlNumber(1);
export const VFIO_SET_IOMMU = ioctlNumber(2);
export const VFIO_GROUP_GET_STATUS = ioctlNumber(3);
export const VFIO_GROUP_SET_CONTAINER = ioctlNumber(4);
export const VFIO_GROUP_UNSET_CONTAINER = ioctlNumber(5);
export const VFIO_GROUP_GET_DEVICE_FD = ioctlNumber(6);
export const VFIO_DEVICE_GET_INFO = ioctlNumber(7);
export const VFIO_DEVICE_GET_REGION_INFO = ioctlNumber(8);
export const VFIO_DEVICE_GET_IRQ_INFO = ioctlNumber(9);
export const VFIO_DEVICE_SET_IRQS = ioctlNumber(10);
export const VFIO_DEVICE_RESET = ioctlNumber(11);
export const VFIO_IOMMU_MAP_DMA = ioctlNumber(13);
export const VFIO_IOMMU_UNMAP_DMA = ioctlNumber(14);
export const VFIO_DEVICE_FEATURE = ioctlNumber(17);
export const VFIO_DEVICE_BIND_IOMMUFD = ioctlNumber(18);
export const VFIO_DEVICE_ATTACH_IOMMUFD_PT = ioctlNumber(19);

/** `struct vfio_group_status` */
export const VFIO_GROUP_STATUS = struct({ argsz: "u32", flags: "u32" });

export const VFIO_GROUP_FLAGS_VIABLE = 1 << 0;
export const VFIO_GROUP_FLAGS_CONTAINER_SET = 1 << 1;

/** `struct vfio_iommu_type1_dma_map` */
export const VFIO_IOMMU_TYPE1_DMA_MAP = struct({
  argsz: "u32",
  flags: "u32",
  vaddr: "u64",
  iova: "u64",
  size: "u64",
});

export const VFIO_DMA_MAP_FLAG_READ = 1 << 0;
export const VFIO_DMA_MAP_FLAG_WRITE = 1 << 1;

/** `struct vfio_iommu_type1_dma_unmap` without its data. */
export const VFIO_IOMMU_TYPE1_DMA_UNMAP = struct({ argsz: "u32", flags: "u32", iova: "u64", size: "u64" });

/** `struct vfio_device_bind_iommufd` up to `out_devid`: what every kernel with cdevs knows. */
export const VFIO_DEVICE_BIND_IOMMUFD_ARGUMENT = struct({
  argsz: "u32",
  flags: "u32",
  iommufd: "i32",
  out_devid: "u32",
});

/** `struct vfio_device_attach_iommufd_pt` up to `pt_id`: what every kernel with cdevs knows. */
export const VFIO_DEVICE_ATTACH_IOMMUFD_PT_ARGUMENT = struct({ argsz: "u32", flags: "u32", pt_id: "u32" });

/** Linux 6.19 */
export const VFIO_DEVICE_FEATURE_DMA_BUF = 11;

/** `struct vfio_device_feature_dma_buf` without its ranges. */
export const VFIO_DEVICE_FEATURE_DMA_BUF_DATA = struct({
  region_index: "u32",
  open_flags: "u32",
  flags: "u32",
  nr_ranges: "u32",
});

/** `struct vfio_region_dma_range` */
export const VFIO_REGION_DMA_RANGE = struct({ offset: "u64", length: "u64" });
