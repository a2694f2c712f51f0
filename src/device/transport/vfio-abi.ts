/**
 * The part of `linux/vfio.h` that the kernel's VFIO and the vfio-user protocol share: constants and structures under
 * the kernel's own names. What only the kernel has (ioctl numbers, containers, iommufd) stands in `vfio/`.
 */

import { struct } from "../../system/struct.ts";

export const VFIO_DEVICE_FLAGS_RESET = 1 << 0;
export const VFIO_DEVICE_FLAGS_PCI = 1 << 1;
export const VFIO_DEVICE_FLAGS_CAPS = 1 << 7;

/** `struct vfio_device_info` up to `num_irqs`: what every kernel and every vfio-user server knows. */
export const VFIO_DEVICE_INFO = struct({ argsz: "u32", flags: "u32", num_regions: "u32", num_irqs: "u32" });

export const VFIO_REGION_INFO_FLAG_READ = 1 << 0;
export const VFIO_REGION_INFO_FLAG_WRITE = 1 << 1;
export const VFIO_REGION_INFO_FLAG_MMAP = 1 << 2;
export const VFIO_REGION_INFO_FLAG_CAPS = 1 << 3;

/** `struct vfio_region_info` */
export const VFIO_REGION_INFO = struct({
  argsz: "u32",
  flags: "u32",
  index: "u32",
  cap_offset: "u32",
  size: "u64",
  offset: "u64",
});

/** `struct vfio_info_cap_header` */
export const VFIO_INFO_CAP_HEADER = struct({ id: "u16", version: "u16", next: "u32" });

export const VFIO_REGION_INFO_CAP_SPARSE_MMAP = 1;
export const VFIO_REGION_INFO_CAP_TYPE = 2;
export const VFIO_REGION_INFO_CAP_MSIX_MAPPABLE = 3;

/** `struct vfio_region_info_cap_sparse_mmap`, behind its header and without its areas. */
export const VFIO_REGION_INFO_CAP_SPARSE_MMAP_BODY = struct({ nr_areas: "u32", reserved: "u32" });

/** `struct vfio_region_sparse_mmap_area` */
export const VFIO_REGION_SPARSE_MMAP_AREA = struct({ offset: "u64", size: "u64" });

/** `struct vfio_region_info_cap_type`, behind its header. */
export const VFIO_REGION_INFO_CAP_TYPE_BODY = struct({ type: "u32", subtype: "u32" });

export const VFIO_PCI_BAR0_REGION_INDEX = 0;
export const VFIO_PCI_BAR5_REGION_INDEX = 5;
export const VFIO_PCI_ROM_REGION_INDEX = 6;
export const VFIO_PCI_CONFIG_REGION_INDEX = 7;
export const VFIO_PCI_VGA_REGION_INDEX = 8;
export const VFIO_PCI_NUM_REGIONS = 9;

/** `struct vfio_irq_info` */
export const VFIO_IRQ_INFO = struct({ argsz: "u32", flags: "u32", index: "u32", count: "u32" });

export const VFIO_IRQ_INFO_EVENTFD = 1 << 0;
export const VFIO_IRQ_INFO_MASKABLE = 1 << 1;
export const VFIO_IRQ_INFO_AUTOMASKED = 1 << 2;

/** `struct vfio_irq_set` without its data. */
export const VFIO_IRQ_SET = struct({
  argsz: "u32",
  flags: "u32",
  index: "u32",
  start: "u32",
  count: "u32",
});

export const VFIO_IRQ_SET_DATA_NONE = 1 << 0;
export const VFIO_IRQ_SET_DATA_BOOL = 1 << 1;
export const VFIO_IRQ_SET_DATA_EVENTFD = 1 << 2;
export const VFIO_IRQ_SET_ACTION_MASK = 1 << 3;
export const VFIO_IRQ_SET_ACTION_UNMASK = 1 << 4;
export const VFIO_IRQ_SET_ACTION_TRIGGER = 1 << 5;
export const VFIO_IRQ_SET_DATA_TYPE_MASK =
  VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_DATA_BOOL | VFIO_IRQ_SET_DATA_EVENTFD;
export const VFIO_IRQ_SET_ACTION_TYPE_MASK =
  VFIO_IRQ_SET_ACTION_MASK | VFIO_IRQ_SET_ACTION_UNMASK | VFIO_IRQ_SET_ACTION_TRIGGER;

export const VFIO_PCI_INTX_IRQ_INDEX = 0;
export const VFIO_PCI_MSI_IRQ_INDEX = 1;
export const VFIO_PCI_MSIX_IRQ_INDEX = 2;
export const VFIO_PCI_ERR_IRQ_INDEX = 3;
export const VFIO_PCI_REQ_IRQ_INDEX = 4;
export const VFIO_PCI_NUM_IRQS = 5;

/** `struct vfio_device_feature` without its data. */
export const VFIO_DEVICE_FEATURE_ARGUMENT = struct({ argsz: "u32", flags: "u32" });

export const VFIO_DEVICE_FEATURE_MASK = 0xffff;
export const VFIO_DEVICE_FEATURE_GET = 1 << 16;
export const VFIO_DEVICE_FEATURE_SET = 1 << 17;
export const VFIO_DEVICE_FEATURE_PROBE = 1 << 18;

export const VFIO_DEVICE_FEATURE_MIGRATION = 1;
/** `struct vfio_device_feature_migration` */
export const VFIO_DEVICE_FEATURE_MIGRATION_DATA = struct({ flags: "u64" });
export const VFIO_MIGRATION_STOP_COPY = 1 << 0;
export const VFIO_MIGRATION_PRE_COPY = 1 << 2;

export const VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE = 2;
/** `struct vfio_device_feature_mig_state` */
export const VFIO_DEVICE_FEATURE_MIG_STATE = struct({ device_state: "u32", data_fd: "i32" });

/** `enum vfio_device_mig_state` */
export const VFIO_DEVICE_STATE_ERROR = 0;
export const VFIO_DEVICE_STATE_STOP = 1;
export const VFIO_DEVICE_STATE_RUNNING = 2;
export const VFIO_DEVICE_STATE_STOP_COPY = 3;
export const VFIO_DEVICE_STATE_RESUMING = 4;
export const VFIO_DEVICE_STATE_PRE_COPY = 6;

export const VFIO_DEVICE_FEATURE_DMA_LOGGING_START = 6;
export const VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP = 7;
export const VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT = 8;
