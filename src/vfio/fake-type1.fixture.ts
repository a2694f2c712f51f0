/** For `FakeVfio`: a container, as vfio.c and vfio_iommu_type1.c answer. */

import { constants } from "node:os";
import { VFIO_INFO_CAP_HEADER } from "../device/transport/vfio-abi.ts";
import { SystemCallError } from "../system/system.ts";
import { bytesOf, requireSize } from "./fake-argument.fixture.ts";
import { USABLE, type FakeSpace } from "./fake-space.fixture.ts";
import * as vfio from "./ioctls/vfio-kernel-abi.ts";

const { EINVAL, ENOTTY } = constants.errno;

export interface FakeType1Shape {
  readonly apiVersion?: number;
  readonly hasType1?: boolean;
}

/** Of a container: whether its IOMMU is set. */
interface FakeContainer {
  ready?: boolean;
}

export function answerContainer(
  space: FakeSpace,
  shape: FakeType1Shape,
  file: FakeContainer,
  request: number,
  argument: Uint8Array | number,
): number {
  switch (request) {
    case vfio.VFIO_GET_API_VERSION:
      return shape.apiVersion ?? vfio.VFIO_API_VERSION;
    case vfio.VFIO_CHECK_EXTENSION:
      return argument === vfio.VFIO_TYPE1v2_IOMMU && shape.hasType1 !== false ? 1 : 0;
    case vfio.VFIO_SET_IOMMU:
      if (file.ready === true || argument !== vfio.VFIO_TYPE1v2_IOMMU)
        throw new SystemCallError("ioctl", EINVAL);
      file.ready = true;
      return 0;
    case vfio.VFIO_IOMMU_GET_INFO:
      return answerType1Info(bytesOf(argument), space.mapped.size);
    case vfio.VFIO_IOMMU_DIRTY_PAGES:
      return answerDirtyPages(space, bytesOf(argument));
    case vfio.VFIO_IOMMU_MAP_DMA: {
      requireSize(bytesOf(argument), vfio.VFIO_IOMMU_TYPE1_DMA_MAP.size);
      const { iova, size } = vfio.VFIO_IOMMU_TYPE1_DMA_MAP.decode(bytesOf(argument));
      return space.map(iova, size);
    }
    case vfio.VFIO_IOMMU_UNMAP_DMA: {
      requireSize(bytesOf(argument), vfio.VFIO_IOMMU_TYPE1_DMA_UNMAP.size);
      space.mapped.delete(vfio.VFIO_IOMMU_TYPE1_DMA_UNMAP.decode(bytesOf(argument)).iova);
      return 0;
    }
    default:
      throw new SystemCallError("ioctl", ENOTTY);
  }
}

function answerDirtyPages(space: FakeSpace, argument: Uint8Array): number {
  const { flags } = vfio.VFIO_IOMMU_TYPE1_DIRTY_BITMAP.decode(argument);
  if ((flags & vfio.VFIO_IOMMU_DIRTY_PAGES_FLAG_START) !== 0) space.logging = true;
  if ((flags & vfio.VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP) !== 0) space.logging = false;
  if ((flags & vfio.VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP) === 0) return 0;
  const { iova, size } = vfio.VFIO_IOMMU_TYPE1_DIRTY_BITMAP_GET.decode(argument, 8);
  const bitmap = vfio.VFIO_BITMAP.decode(argument, 24);
  // vfio_iommu_type1_dirty_pages(): whole mappings, the smallest page, room in whole u64.
  if (!space.logging || space.mapped.get(iova) !== size || bitmap.pgsize !== 0x1000n) {
    throw new SystemCallError("ioctl", EINVAL);
  }
  return space.reportDirty(iova, bitmap.data, Number(bitmap.size));
}

const MOST_MAPPINGS = 65_535;

function answerType1Info(argument: Uint8Array, mapped: number): number {
  const { argsz } = vfio.VFIO_IOMMU_TYPE1_INFO.decode(argument);
  const header = (id: number, next: number) => VFIO_INFO_CAP_HEADER.encode({ id, version: 1, next });
  const availAt = vfio.VFIO_IOMMU_TYPE1_INFO.size;
  const rangesAt = availAt + VFIO_INFO_CAP_HEADER.size + 8;
  const whole = Buffer.concat([
    vfio.VFIO_IOMMU_TYPE1_INFO.encode({
      flags: vfio.VFIO_IOMMU_INFO_PGSIZES | vfio.VFIO_IOMMU_INFO_CAPS,
      iova_pgsizes: 0x4020_1000n,
      cap_offset: availAt,
    }),
    header(vfio.VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL, rangesAt),
    vfio.VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL_BODY.encode({ avail: MOST_MAPPINGS - mapped }, 4),
    header(vfio.VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE, 0),
    vfio.VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE_BODY.encode({ nr_iovas: USABLE.length }),
    ...USABLE.map(({ first, last }) => vfio.VFIO_IOVA_RANGE.encode({ start: first, end: last })),
  ]);
  new DataView(whole.buffer, whole.byteOffset).setUint32(0, whole.length, true);
  argument.set(whole.subarray(0, Math.min(argsz, whole.length)));
  return 0;
}
