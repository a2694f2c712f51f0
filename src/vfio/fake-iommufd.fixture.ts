/** For `FakeVfio`: an iommufd with one IOAS, as drivers/iommu/iommufd answers. */

import { constants } from "node:os";
import { linux } from "../system/libc.ts";
import { SystemCallError } from "../system/system.ts";
import { USABLE, type FakeSpace } from "./fake-space.fixture.ts";
import * as iommufd from "./ioctls/iommufd-abi.ts";

const { EBUSY, EINVAL, EMSGSIZE, ENOENT, ENOTTY, EOPNOTSUPP } = constants.errno;

export const IOAS = 5;
export const HWPT = 6;
export const DEVICE_ID = 1;

/** @param attached the page tables that devices are attached to */
export function answerIommufd(
  space: FakeSpace,
  hasDirtyBits: boolean,
  attached: readonly number[],
  request: number,
  argument: Uint8Array,
): number {
  switch (request) {
    case iommufd.IOMMU_IOAS_ALLOC:
      iommufd.IOMMU_IOAS_ALLOC_ARGUMENT.encodeInto(argument, 0, {
        size: argument.length,
        out_ioas_id: IOAS,
      });
      return 0;
    case iommufd.IOMMU_IOAS_IOVA_RANGES: {
      const asked = iommufd.IOMMU_IOAS_IOVA_RANGES_ARGUMENT.decode(argument);
      requireIoas(asked.ioas_id);
      const room = new Uint8Array(linux.view(asked.allowed_iovas, asked.num_iovas * 16));
      for (const [index, { first, last }] of USABLE.entries()) {
        if (index < asked.num_iovas)
          iommufd.IOMMU_IOVA_RANGE.encodeInto(room, index * 16, { start: first, last });
      }
      const answer = { ...asked, num_iovas: USABLE.length, out_iova_alignment: 0x1000n };
      iommufd.IOMMU_IOAS_IOVA_RANGES_ARGUMENT.encodeInto(argument, 0, answer);
      if (asked.num_iovas < USABLE.length) throw new SystemCallError("ioctl", EMSGSIZE);
      return 0;
    }
    case iommufd.IOMMU_HWPT_ALLOC: {
      const asked = iommufd.IOMMU_HWPT_ALLOC_ARGUMENT.decode(argument);
      if (asked.dev_id !== DEVICE_ID || asked.pt_id !== IOAS) throw new SystemCallError("ioctl", ENOENT);
      if (!hasDirtyBits) throw new SystemCallError("ioctl", EOPNOTSUPP);
      iommufd.IOMMU_HWPT_ALLOC_ARGUMENT.encodeInto(argument, 0, { ...asked, out_hwpt_id: HWPT });
      return 0;
    }
    case iommufd.IOMMU_HWPT_SET_DIRTY_TRACKING: {
      const { hwpt_id, flags } = iommufd.IOMMU_HWPT_SET_DIRTY_TRACKING_ARGUMENT.decode(argument);
      if (hwpt_id !== HWPT) throw new SystemCallError("ioctl", ENOENT);
      space.logging = flags === iommufd.IOMMU_HWPT_DIRTY_TRACKING_ENABLE;
      return 0;
    }
    case iommufd.IOMMU_HWPT_GET_DIRTY_BITMAP: {
      const { hwpt_id, iova, length, data } = iommufd.IOMMU_HWPT_GET_DIRTY_BITMAP_ARGUMENT.decode(argument);
      if (hwpt_id !== HWPT || !space.logging) throw new SystemCallError("ioctl", EINVAL);
      return space.reportDirty(iova, data, Math.ceil(Number(length) / 0x1000 / 64) * 8);
    }
    case iommufd.IOMMU_DESTROY: {
      const { id } = iommufd.IOMMU_DESTROY_ARGUMENT.decode(argument);
      // iommufd_destroy(): what a device is attached to is in use.
      if (id !== HWPT || attached.includes(id)) throw new SystemCallError("ioctl", EBUSY);
      return 0;
    }
    case iommufd.IOMMU_IOAS_MAP: {
      const { ioas_id, iova, length } = iommufd.IOMMU_IOAS_MAP_ARGUMENT.decode(argument);
      requireIoas(ioas_id);
      return space.map(iova, length);
    }
    case iommufd.IOMMU_IOAS_UNMAP: {
      const { ioas_id, iova } = iommufd.IOMMU_IOAS_UNMAP_ARGUMENT.decode(argument);
      requireIoas(ioas_id);
      if (!space.mapped.delete(iova)) throw new SystemCallError("ioctl", ENOENT);
      return 0;
    }
    default:
      throw new SystemCallError("ioctl", ENOTTY);
  }
}

function requireIoas(id: number): void {
  if (id !== IOAS) throw new SystemCallError("ioctl", ENOENT);
}
