import { hugebarError } from "../../errors.ts";
import {
  VFIO_DEVICE_FEATURE_ARGUMENT,
  VFIO_DEVICE_FEATURE_GET,
  VFIO_DEVICE_FEATURE_PROBE,
} from "../../device/transport/vfio-abi.ts";
import type { Area } from "../../layout/areas.ts";
import { O_CLOEXEC, O_RDWR } from "../../system/constants.ts";
import { SystemCallError, type System } from "../../system/system.ts";
import {
  VFIO_DEVICE_FEATURE,
  VFIO_DEVICE_FEATURE_DMA_BUF,
  VFIO_DEVICE_FEATURE_DMA_BUF_DATA,
  VFIO_REGION_DMA_RANGE,
} from "../ioctls/vfio-kernel-abi.ts";

/**
 * Exports one area of a region as a dma-buf; the caller owns the descriptor returned.
 *
 * @param action What messages say was tried.
 * @throws ERR_NOT_SUPPORTED where the kernel, or the device's driver, has no such thing.
 */
export function exportDmaBuf(fd: number, index: number, area: Area, action: string, system: System): number {
  probe(fd, action, system);
  const data = VFIO_DEVICE_FEATURE_DMA_BUF_DATA;
  const dataAt = VFIO_DEVICE_FEATURE_ARGUMENT.size;
  const rangeAt = dataAt + data.size;
  const request = new Uint8Array(rangeAt + VFIO_REGION_DMA_RANGE.size);
  VFIO_DEVICE_FEATURE_ARGUMENT.encodeInto(request, 0, {
    argsz: request.length,
    flags: VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_DMA_BUF,
  });
  data.encodeInto(request, dataAt, { region_index: index, open_flags: O_RDWR | O_CLOEXEC, nr_ranges: 1 });
  VFIO_REGION_DMA_RANGE.encodeInto(request, rangeAt, {
    offset: BigInt(area.offset),
    length: BigInt(area.size),
  });
  return system.ioctl(fd, VFIO_DEVICE_FEATURE, request);
}

/** What the errnos of a probe mean that say no. */
const ABSENCES: Readonly<Record<string, string | undefined>> = {
  ENOTTY: "this kernel has no VFIO_DEVICE_FEATURE_DMA_BUF; Linux 6.19 and newer have it",
  // A variant driver whose regions are no plain BARs.
  EOPNOTSUPP: "the device's driver does not offer VFIO_DEVICE_FEATURE_DMA_BUF",
};

function probe(fd: number, action: string, system: System): void {
  const request = VFIO_DEVICE_FEATURE_ARGUMENT.encode({
    argsz: VFIO_DEVICE_FEATURE_ARGUMENT.size,
    flags: VFIO_DEVICE_FEATURE_PROBE | VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_DMA_BUF,
  });
  try {
    system.ioctl(fd, VFIO_DEVICE_FEATURE, request);
  } catch (error) {
    const problem = error instanceof SystemCallError ? ABSENCES[error.code] : undefined;
    if (problem === undefined) throw error;
    throw hugebarError("ERR_NOT_SUPPORTED", { action, problem }, error);
  }
}
