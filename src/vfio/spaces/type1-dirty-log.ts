import type { DirtyLog } from "../../device/transport/transport.ts";
import type { System } from "../../system/system.ts";
import { requestError } from "../ioctls/request-error.ts";
import {
  VFIO_BITMAP,
  VFIO_IOMMU_DIRTY_PAGES,
  VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP,
  VFIO_IOMMU_DIRTY_PAGES_FLAG_START,
  VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP,
  VFIO_IOMMU_TYPE1_DIRTY_BITMAP,
  VFIO_IOMMU_TYPE1_DIRTY_BITMAP_GET,
} from "../ioctls/vfio-kernel-abi.ts";

const HEAD = VFIO_IOMMU_TYPE1_DIRTY_BITMAP.size;

/**
 * Has a container log what its devices write (Linux 5.8).
 *
 * @param fd the container's file
 * @param pageSize the smallest page of its IOMMU: the kernel takes no other
 */
export function type1DirtyLog(fd: number, name: string, pageSize: number, system: System): DirtyLog {
  const ask = (action: string, flags: number, data = new Uint8Array(0)): void => {
    const argsz = HEAD + data.length;
    const request = VFIO_IOMMU_TYPE1_DIRTY_BITMAP.encode({ argsz, flags }, data.length);
    request.set(data, HEAD);
    try {
      system.ioctl(fd, VFIO_IOMMU_DIRTY_PAGES, request);
    } catch (error) {
      throw requestError(`${action} what the devices of ${name} write`, error);
    }
  };
  ask("begin to log", VFIO_IOMMU_DIRTY_PAGES_FLAG_START);
  return {
    pageSize,
    read(iova, size) {
      const bits = bitmapFor(size / pageSize);
      const data = Buffer.concat([
        VFIO_IOMMU_TYPE1_DIRTY_BITMAP_GET.encode({ iova, size: BigInt(size) }),
        VFIO_BITMAP.encode({
          pgsize: BigInt(pageSize),
          size: BigInt(bits.length),
          data: system.addressOf(bits),
        }),
      ]);
      ask("read", VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP, data);
      return bits;
    },
    stop: () => ask("stop to log", VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP),
  };
}

/** One bit a page, in whole u64. */
export function bitmapFor(pages: number): Uint8Array {
  return new Uint8Array(Math.ceil(pages / 64) * 8);
}
