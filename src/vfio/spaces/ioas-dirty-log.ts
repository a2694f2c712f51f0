import type { DirtyLog } from "../../device/transport/transport.ts";
import { hugebarError } from "../../errors.ts";
import { SystemCallError, type System } from "../../system/system.ts";
import {
  IOMMU_DESTROY,
  IOMMU_DESTROY_ARGUMENT,
  IOMMU_HWPT_ALLOC,
  IOMMU_HWPT_ALLOC_ARGUMENT,
  IOMMU_HWPT_ALLOC_DIRTY_TRACKING,
  IOMMU_HWPT_DIRTY_TRACKING_ENABLE,
  IOMMU_HWPT_GET_DIRTY_BITMAP,
  IOMMU_HWPT_GET_DIRTY_BITMAP_ARGUMENT,
  IOMMU_HWPT_SET_DIRTY_TRACKING,
  IOMMU_HWPT_SET_DIRTY_TRACKING_ARGUMENT,
} from "../ioctls/iommufd-abi.ts";
import { requestError } from "../ioctls/request-error.ts";
import { bitmapFor } from "./type1-dirty-log.ts";

/** What the log needs of the container that has the IOAS. */
export interface Attachments {
  /** The id that a device bound to the iommufd has there; null where there is no device. */
  readonly anyDevice: () => number | null;
  /** Attaches all devices, and those that come later, to a page table: a HWPT's id, or the IOAS's. */
  readonly attachAll: (pageTable: number) => void;
}

/**
 * Has the IOMMU log what an IOAS's devices write (Linux 6.7). The bits are kept by page tables made for it, a HWPT, to
 * which the devices move for as long.
 *
 * @throws ERR_NOT_SUPPORTED where the IOMMU keeps no such bits.
 */
export function ioasDirtyLog(
  fd: number,
  ioas: number,
  name: string,
  pageSize: number,
  { anyDevice, attachAll }: Attachments,
  system: System,
): DirtyLog {
  const starting = `begin to log what the devices of ${name} write`;
  const ask = (action: string, request: number, argument: Uint8Array): Uint8Array => {
    try {
      system.ioctl(fd, request, argument);
      return argument;
    } catch (error) {
      if (error instanceof SystemCallError && error.code === "EOPNOTSUPP") {
        const problem = "the IOMMU keeps no bits of what is written";
        throw hugebarError("ERR_NOT_SUPPORTED", { action, problem }, error);
      }
      throw requestError(action, error);
    }
  };
  const device = anyDevice();
  if (device === null) {
    throw hugebarError("ERR_NOT_SUPPORTED", {
      action: starting,
      problem: "no device is open in the container",
    });
  }
  const allocation = IOMMU_HWPT_ALLOC_ARGUMENT.encode({
    size: IOMMU_HWPT_ALLOC_ARGUMENT.size,
    flags: IOMMU_HWPT_ALLOC_DIRTY_TRACKING,
    dev_id: device,
    pt_id: ioas,
  });
  const { out_hwpt_id: hwpt } = IOMMU_HWPT_ALLOC_ARGUMENT.decode(ask(starting, IOMMU_HWPT_ALLOC, allocation));
  const track = (action: string, flags: number): void => {
    const { size } = IOMMU_HWPT_SET_DIRTY_TRACKING_ARGUMENT;
    const argument = IOMMU_HWPT_SET_DIRTY_TRACKING_ARGUMENT.encode({ size, flags, hwpt_id: hwpt });
    ask(action, IOMMU_HWPT_SET_DIRTY_TRACKING, argument);
  };
  const leave = (action: string): void => {
    attachAll(ioas);
    const { size } = IOMMU_DESTROY_ARGUMENT;
    ask(action, IOMMU_DESTROY, IOMMU_DESTROY_ARGUMENT.encode({ size, id: hwpt }));
  };
  try {
    attachAll(hwpt);
    track(starting, IOMMU_HWPT_DIRTY_TRACKING_ENABLE);
  } catch (error) {
    leave(starting);
    throw error;
  }
  return {
    pageSize,
    read(iova, size) {
      const bits = bitmapFor(size / pageSize);
      const argument = IOMMU_HWPT_GET_DIRTY_BITMAP_ARGUMENT.encode({
        size: IOMMU_HWPT_GET_DIRTY_BITMAP_ARGUMENT.size,
        hwpt_id: hwpt,
        iova,
        length: BigInt(size),
        page_size: BigInt(pageSize),
        data: system.addressOf(bits),
      });
      ask(`read what the devices of ${name} write`, IOMMU_HWPT_GET_DIRTY_BITMAP, argument);
      return bits;
    },
    stop() {
      const action = `stop to log what the devices of ${name} write`;
      track(action, 0);
      leave(action);
    },
  };
}
