/**
 * The part of `linux/vfio.h` that only the kernel has: ioctl numbers, container, group, cdev, device features. What the
 * vfio-user protocol shares stands in `device/transport/vfio-abi.ts`.
 */

import { struct } from "../../system/struct.ts";

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
export const VFIO_GROUP_GET_DEVICE_FD = ioctlNumber(6);
export const VFIO_DEVICE_GET_INFO = ioctlNumber(7);
export const VFIO_DEVICE_GET_REGION_INFO = ioctlNumber(8);
export const VFIO_DEVICE_GET_IRQ_INFO = ioctlNumber(9);
export const VFIO_DEVICE_SET_IRQS = ioctlNumber(10);
export const VFIO_DEVICE_RESET = ioctlNumber(11);
export const VFIO_DEVICE_GET_PCI_HOT_RESET_INFO = ioctlNumber(12);
export const VFIO_DEVICE_PCI_HOT_RESET = ioctlNumber(13);
/** The same number as VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, on a container's file. */
export const VFIO_IOMMU_GET_INFO = ioctlNumber(12);
export const VFIO_IOMMU_MAP_DMA = ioctlNumber(13);
export const VFIO_IOMMU_UNMAP_DMA = ioctlNumber(14);
export const VFIO_DEVICE_FEATURE = ioctlNumber(17);
/** The same number as VFIO_DEVICE_FEATURE, on a container's file. */
export const VFIO_IOMMU_DIRTY_PAGES = ioctlNumber(17);
export const VFIO_DEVICE_BIND_IOMMUFD = ioctlNumber(18);
export const VFIO_DEVICE_ATTACH_IOMMUFD_PT = ioctlNumber(19);

/** `struct vfio_group_status` */
export const VFIO_GROUP_STATUS = struct({ argsz: "u32", flags: "u32" });

export const VFIO_GROUP_FLAGS_VIABLE = 1 << 0;

/** `struct vfio_iommu_type1_info` */
export const VFIO_IOMMU_TYPE1_INFO = struct({
  argsz: "u32",
  flags: "u32",
  iova_pgsizes: "u64",
  cap_offset: "u32",
});

export const VFIO_IOMMU_INFO_PGSIZES = 1 << 0;
export const VFIO_IOMMU_INFO_CAPS = 1 << 1;
export const VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE = 1;
export const VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL = 3;

/** `struct vfio_iommu_type1_info_cap_iova_range`, behind its header and without its ranges. */
export const VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE_BODY = struct({ nr_iovas: "u32", reserved: "u32" });

/** `struct vfio_iova_range` */
export const VFIO_IOVA_RANGE = struct({ start: "u64", end: "u64" });

/** `struct vfio_iommu_type1_info_dma_avail`, behind its header. */
export const VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL_BODY = struct({ avail: "u32" });

/** `struct vfio_iommu_type1_dirty_bitmap` without its data. */
export const VFIO_IOMMU_TYPE1_DIRTY_BITMAP = struct({ argsz: "u32", flags: "u32" });

export const VFIO_IOMMU_DIRTY_PAGES_FLAG_START = 1 << 0;
export const VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP = 1 << 1;
export const VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP = 1 << 2;

/** `struct vfio_iommu_type1_dirty_bitmap_get` up to its bitmap. */
export const VFIO_IOMMU_TYPE1_DIRTY_BITMAP_GET = struct({ iova: "u64", size: "u64" });

/** `struct vfio_bitmap` */
export const VFIO_BITMAP = struct({ pgsize: "u64", size: "u64", data: "u64" });

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

/** Linux 6.17: `token_uuid_ptr` follows. */
export const VFIO_DEVICE_BIND_FLAG_TOKEN = 1 << 0;

/** `struct vfio_device_bind_iommufd` with its token. */
export const VFIO_DEVICE_BIND_IOMMUFD_WITH_TOKEN = struct({
  argsz: "u32",
  flags: "u32",
  iommufd: "i32",
  out_devid: "u32",
  token_uuid_ptr: "u64",
});

/** `struct vfio_device_attach_iommufd_pt` up to `pt_id`: what every kernel with cdevs knows. */
export const VFIO_DEVICE_ATTACH_IOMMUFD_PT_ARGUMENT = struct({ argsz: "u32", flags: "u32", pt_id: "u32" });

/** `struct vfio_pci_hot_reset_info` without its devices. */
export const VFIO_PCI_HOT_RESET_INFO = struct({ argsz: "u32", flags: "u32", count: "u32" });

/** In the devices of a hot reset, `group_id` is a device's id of the iommufd (Linux 6.6). */
export const VFIO_PCI_HOT_RESET_FLAG_DEV_ID = 1 << 0;
export const VFIO_PCI_HOT_RESET_FLAG_DEV_ID_OWNED = 1 << 1;

/** `struct vfio_pci_dependent_device` */
export const VFIO_PCI_DEPENDENT_DEVICE = struct({ group_id: "u32", segment: "u16", bus: "u8", devfn: "u8" });

/** `struct vfio_pci_hot_reset` without its group descriptors. */
export const VFIO_PCI_HOT_RESET = struct({ argsz: "u32", flags: "u32", count: "u32" });

/** Linux 6.1 */
export const VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY = 3;
export const VFIO_DEVICE_FEATURE_LOW_POWER_EXIT = 5;
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
