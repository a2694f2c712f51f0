import { VFIO_REGION_INFO } from "../../device/transport/vfio-abi.ts";
import { hugebarError } from "../../errors.ts";
import { formatSize, MIB } from "../../layout/sizes.ts";
import type { System } from "../../system/system.ts";
import { VFIO_DEVICE_GET_REGION_INFO } from "./vfio-kernel-abi.ts";

/** More than a million areas: beyond it a kernel's word is not believed, nor memory given. */
const LARGEST_ARGSZ = 16 * MIB;

/**
 * Asks the kernel for `struct vfio_region_info` with its capability chain. The first request has room for the structure
 * only; the kernel answers with the room it needs (`argsz`), and is asked again with that much.
 *
 * @returns As many bytes as the kernel says it filled.
 */
export function queryRegionInfo(fd: number, index: number, region: string, system: System): Uint8Array {
  let room = VFIO_REGION_INFO.size;
  for (;;) {
    const request = VFIO_REGION_INFO.encode({ argsz: room, index }, room - VFIO_REGION_INFO.size);
    system.ioctl(fd, VFIO_DEVICE_GET_REGION_INFO, request);
    const { argsz } = VFIO_REGION_INFO.decode(request);
    if (argsz <= room) return request;
    if (argsz > LARGEST_ARGSZ) {
      throw hugebarError("ERR_PROTOCOL", {
        action: `read the description of region ${region}`,
        problem: `the kernel asks for ${formatSize(argsz)} to describe it`,
      });
    }
    room = argsz;
  }
}
