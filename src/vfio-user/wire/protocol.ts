/**
 * The vfio-user protocol's constants and structures, under the names of its C header; what it shares with the kernel's
 * VFIO stands in `device/transport/vfio-abi.ts`. Source: docs/interop/vfio-user.rst in QEMU's tree.
 */

import { struct } from "../../system/struct.ts";

export const VFIO_USER_VERSION = 1;
export const VFIO_USER_DMA_MAP = 2;
export const VFIO_USER_DMA_UNMAP = 3;
export const VFIO_USER_DEVICE_GET_INFO = 4;
export const VFIO_USER_DEVICE_GET_REGION_INFO = 5;
export const VFIO_USER_DEVICE_GET_REGION_IO_FDS = 6;
export const VFIO_USER_DEVICE_GET_IRQ_INFO = 7;
export const VFIO_USER_DEVICE_SET_IRQS = 8;
export const VFIO_USER_REGION_READ = 9;
export const VFIO_USER_REGION_WRITE = 10;
export const VFIO_USER_DMA_READ = 11;
export const VFIO_USER_DMA_WRITE = 12;
export const VFIO_USER_DEVICE_RESET = 13;
export const VFIO_USER_REGION_WRITE_MULTI = 15;
export const VFIO_USER_DEVICE_FEATURE = 16;
export const VFIO_USER_MIG_DATA_READ = 17;
export const VFIO_USER_MIG_DATA_WRITE = 18;

/** `struct vfio_user_header`, in front of every message; `msg_size` counts it too. */
export const VFIO_USER_HEADER = struct({
  msg_id: "u16",
  cmd: "u16",
  msg_size: "u32",
  flags: "u32",
  error_no: "u32",
});

export const VFIO_USER_F_TYPE_MASK = 0xf;
export const VFIO_USER_F_TYPE_COMMAND = 0x0;
export const VFIO_USER_F_TYPE_REPLY = 0x1;
export const VFIO_USER_F_NO_REPLY = 0x10;
export const VFIO_USER_F_ERROR = 0x20;

/** `struct vfio_user_version`, in front of the JSON text and its closing zero. */
export const VFIO_USER_VERSION_HEAD = struct({ major: "u16", minor: "u16" });

/** `struct vfio_user_region_access`, in front of the data. */
export const VFIO_USER_REGION_ACCESS = struct({ offset: "u64", region: "u32", count: "u32" });

/** `struct vfio_user_region_io_fds_request`, which its reply begins with too. */
export const VFIO_USER_REGION_IO_FDS = struct({ argsz: "u32", flags: "u32", index: "u32", count: "u32" });

/**
 * `struct vfio_user_sub_region_ioeventfd` of the specification. libvfio-user's header has a structure of 48 bytes, with
 * `datamatch` behind a `shadow_offset`: the size of an entry follows from the reply's argsz and count.
 */
export const VFIO_USER_SUB_REGION_IOEVENTFD = struct({
  offset: "u64",
  size: "u64",
  fd_index: "u32",
  type: "u32",
  flags: "u32",
  padding: "u32",
  datamatch: "u64",
});

export const VFIO_USER_IO_FD_TYPE_IOEVENTFD = 0;
/** Of `flags`: linux/kvm.h. */
export const KVM_IOEVENTFD_FLAG_DATAMATCH = 1 << 0;

/** `struct vfio_user_dma_map` */
export const VFIO_USER_DMA_MAP_REQUEST = struct({
  argsz: "u32",
  flags: "u32",
  offset: "u64",
  addr: "u64",
  size: "u64",
});

export const VFIO_USER_F_DMA_REGION_READ = 1 << 0;
export const VFIO_USER_F_DMA_REGION_WRITE = 1 << 1;
/** How the server is to reach the memory, as newer clients say (include/vfio-user.h of libvfio-user). */
export const VFIO_USER_F_DMA_REGION_MMAP = 1 << 2;
export const VFIO_USER_F_DMA_REGION_FILE_IO = 1 << 3;

/** `struct vfio_user_dma_unmap` without a dirty bitmap. */
export const VFIO_USER_DMA_UNMAP_REQUEST = struct({ argsz: "u32", flags: "u32", addr: "u64", size: "u64" });

/** Take away all there is; address and size are 0. */
export const VFIO_DMA_UNMAP_FLAG_ALL = 1 << 1;

/** `struct vfio_user_dma_region_access`, in front of the data. */
export const VFIO_USER_DMA_REGION_ACCESS = struct({ addr: "u64", count: "u64" });

/** `struct vfio_user_device_feature_dma_logging_control`, in front of its ranges. */
export const VFIO_USER_DMA_LOGGING_CONTROL = struct({
  page_size: "u64",
  num_ranges: "u32",
  reserved: "u32",
});

/** `struct vfio_user_device_feature_dma_logging_range` */
export const VFIO_USER_DMA_LOGGING_RANGE = struct({ iova: "u64", length: "u64" });

/** `struct vfio_user_device_feature_dma_logging_report`, in front of the bitmap. */
export const VFIO_USER_DMA_LOGGING_REPORT = struct({ iova: "u64", length: "u64", page_size: "u64" });

/** `struct vfio_user_mig_data`, in front of the data. */
export const VFIO_USER_MIG_DATA = struct({ argsz: "u32", size: "u32" });

/** The count in front of VFIO_USER_REGION_WRITE_MULTI's writes. */
export const VFIO_USER_WRITE_MULTI_HEAD = struct({ wr_cnt: "u64" });

/** One of its writes: 8 bytes of data follow, of which `count` are written. */
export const VFIO_USER_WRITE_MULTI_ENTRY = struct({
  offset: "u64",
  region: "u32",
  count: "u32",
  data: "u64",
});

/** What the protocol lets a peer assume that says nothing about itself. */
export const DEFAULT_MAX_DATA_XFER_SIZE = 1024 * 1024;
export const DEFAULT_MAX_MSG_FDS = 1;

/** The versions hugebar speaks: 0.0 and 0.1, as libvfio-user does. */
export const MAJOR = 0;
export const MINOR = 1;
