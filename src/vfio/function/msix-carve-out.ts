/**
 * The MSI-X table and its pending bits, taken out of a BAR's areas. A kernel that does not say
 * VFIO_REGION_INFO_CAP_MSIX_MAPPABLE refuses to map the pages they lie in (before Linux 4.16); both stay reachable
 * through the device's file.
 */

import type { MsixCapability } from "../../device/file/config-space.ts";
import type { Area } from "../../layout/areas.ts";
import { roundDown, roundUp } from "../../layout/sizes.ts";

/** The whole pages of BAR `bar` that hold the MSI-X table or the pending bits. */
export function msixPages(msix: MsixCapability, bar: number, pageSize: number): Area[] {
  return [msix.table, msix.pba]
    .filter((range) => range.bar === bar)
    .map(({ offset, size }) => {
      const start = roundDown(offset, pageSize);
      return { offset: start, size: roundUp(offset + size, pageSize) - start };
    });
}

/** What is left of `areas` without `holes`, each area cut by itself, in the order given. */
export function carveOut(areas: readonly Area[], holes: readonly Area[]): Area[] {
  return holes.reduce<Area[]>((left, hole) => left.flatMap((area) => cut(area, hole)), [...areas]);
}

function cut(area: Area, hole: Area): Area[] {
  const areaEnd = area.offset + area.size;
  const holeEnd = hole.offset + hole.size;
  if (holeEnd <= area.offset || hole.offset >= areaEnd) return [area];
  return [
    { offset: area.offset, size: hole.offset - area.offset },
    { offset: holeEnd, size: areaEnd - holeEnd },
  ].filter(({ size }) => size > 0);
}
