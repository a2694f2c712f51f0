/**
 * Keeps a misaligned mapping from showing wrong memory on a kernel whose handler does not check the page frame (Linux before
 * 6.12.10, and 6.13's first candidates): base pages are right on every kernel.
 */

import { leavesMisfit } from "../../layout/leaves.ts";
import { modelFor, type PagingModel } from "../../layout/paging.ts";
import type { LaidArea } from "../../memory/lay-region.ts";
import { hasHugePfnmap, isVfioPci } from "../../rules/drivers.ts";
import { faultHandler } from "../../rules/handler.ts";
import { MADV_NOHUGEPAGE } from "../../system/constants.ts";
import { SystemCallError, type System } from "../../system/system.ts";
import type { HostKernel } from "./host-kernel.ts";
import type { MappedRegion } from "./mapped-region.ts";
import { physicalOrCongruent } from "./mapping-layout.ts";

/** What of the running kernel decides. */
export type GuardedKernel = Pick<HostKernel, "release" | "arch">;

/**
 * Forbids huge leaves for the areas that would be laid over other memory than asked for: before anything is touched.
 *
 * @returns whether there were any
 */
export function guardMisaligned(
  region: MappedRegion,
  areas: readonly LaidArea[],
  { release, arch }: GuardedKernel,
  system: Pick<System, "madvise" | "pageSize">,
): boolean {
  if (region.backing !== "device" || !isVfioPci(region.driver, region.index)) return false;
  if (faultHandler(release).mapsWrongMemory !== true || hasHugePfnmap(release, arch) === false) return false;
  const model = modelFor(arch, system.pageSize);
  if (model === null) return false;
  const misfits = areas.filter((area) => isMisfit(region, area, model));
  for (const { address, size } of misfits) {
    try {
      system.madvise(address, size, MADV_NOHUGEPAGE);
    } catch (error) {
      // A kernel without transparent huge pages knows no such advice, and has no huge leaves.
      if (!(error instanceof SystemCallError) || error.code !== "EINVAL") throw error;
    }
  }
  return misfits.length > 0;
}

function isMisfit(region: MappedRegion, { offset, size, address }: LaidArea, model: PagingModel): boolean {
  return leavesMisfit({ address, size, physical: physicalOrCongruent(region) + BigInt(offset) }, model);
}
