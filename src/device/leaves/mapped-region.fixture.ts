/** For tests: a BAR of 4 GiB of a vfio-pci device, read and written. */

import { GIB } from "../../layout/sizes.ts";
import type { MappedRegion } from "./mapped-region.ts";

export const region: MappedRegion = {
  index: 2,
  size: 4 * GIB,
  flags: 7,
  readable: true,
  writable: true,
  fdOffset: 2 * 2 ** 40,
  physical: 0x380000000000n,
  driver: "vfio-pci",
  backing: "device",
  deviceName: "0000:01:00.0",
  name: "2 of 0000:01:00.0",
};
