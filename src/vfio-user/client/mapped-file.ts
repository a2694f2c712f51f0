/** The file that a server passes along for a region: an access to a mapping of it, behind its end, would kill us (SIGBUS). */

import { fstatSync } from "node:fs";
import type { FileCheck, RegionInfo } from "../../device/transport/transport.ts";
import { VFIO_REGION_INFO_FLAG_WRITE } from "../../device/transport/vfio-abi.ts";
import { sealAgainstShrinking } from "../../memory/memfd.ts";
import { F_GETFL, O_ACCMODE, O_RDONLY, O_WRONLY } from "../../system/constants.ts";
import type { System } from "../../system/system.ts";
import { brokenProtocol } from "../wire/client-faults.ts";

/**
 * Checks that a region's file covers its areas, and seals it so that it stays so. Where it cannot be sealed, the result
 * looks again; null where nothing can happen any more.
 *
 * @throws ERR_PROTOCOL when it does not cover them, is no file that can be mapped, or is not open for what the region
 *   allows.
 */
export function prepareFile(
  { index, flags, fd, fdOffset, areas }: RegionInfo,
  device: string,
  system: System,
): FileCheck | null {
  if (fd === null) return null;
  const action = () => `map region ${index} of ${device}`;
  // Before the look at its size, or the server could cut it off in between.
  const sealed = sealAgainstShrinking(fd, system);
  const file = fstatSync(fd);
  if (file.isCharacterDevice() || file.isBlockDevice()) return null;
  if (!file.isFile()) throw brokenProtocol(action, "the descriptor it passed along cannot be mapped");
  const mode = system.fcntl(fd, F_GETFL, 0) & O_ACCMODE;
  if (mode === O_WRONLY) throw brokenProtocol(action, "the file that it passed along cannot be read");
  if (mode === O_RDONLY && (flags & VFIO_REGION_INFO_FLAG_WRITE) !== 0)
    throw brokenProtocol(action, "the region may be written, and the file that it passed along may not");
  for (const [number, { offset, size }] of areas.entries()) {
    if (size > 0 && fdOffset + offset + size > file.size) {
      throw brokenProtocol(action, `area ${number} ends behind the end of the file it passed along`);
    }
  }
  if (sealed) return null;
  return (access, offset, length) => {
    const { size } = fstatSync(fd);
    if (fdOffset + offset + length <= size) return;
    throw brokenProtocol(
      () => `${access} ${length} bytes at 0x${offset.toString(16)} of region ${index} of ${device}`,
      `it has cut the file that it passed along off at ${size} bytes`,
    );
  };
}
