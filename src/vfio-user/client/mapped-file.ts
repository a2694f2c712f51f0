/** The file that a server passes along for a region: an access to a mapping of it, behind its end, would kill us (SIGBUS). */

import { fstatSync } from "node:fs";
import type { FileCheck, RegionInfo } from "../../device/transport.ts";
import { sealAgainstShrinking } from "../../memory/memfd.ts";
import type { System } from "../../system/system.ts";
import { brokenProtocol } from "../wire/client-faults.ts";

/**
 * Checks that a region's file covers its areas, and seals it so that it stays so. Where it cannot be sealed, the result
 * looks again; null where nothing can happen any more.
 *
 * @throws ERR_PROTOCOL when it does not cover them, or is no file that can be mapped.
 */
export function prepareFile(
  { index, fd, fdOffset, areas }: RegionInfo,
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
