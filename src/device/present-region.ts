/** A region that is to be used, and so must be there. */

import { hugebarError } from "../errors.ts";
import type { Device } from "./device.ts";
import type { Region } from "./region/region.ts";

/** @throws ERR_REGION_INDEX also for a region that the device counts and does not have */
export function presentRegion(device: Device, index: number): Region {
  const region = device.region(index);
  if (region.size > 0) return region;
  throw hugebarError("ERR_REGION_INDEX", {
    index,
    device: device.name,
    problem: "the device does not have it; its size is 0",
  });
}
