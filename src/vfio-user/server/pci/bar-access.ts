/** BARs answer while the client has their decoding switched on, as PCI and the kernel's VFIO have it. */

import { constants } from "node:os";
import { DeviceError } from "../../wire/device-error.ts";
import type { IoEventFd, ReadHandler } from "../parts/region-description.ts";
import type { ServedRegion } from "../parts/served-region.ts";
import type { BarShape } from "./bars.ts";
import type { PciConfigSpace } from "./pci-config-space.ts";

/**
 * The regions, whose BARs refuse accesses (EIO, as vfio_pci_core_do_io_rw in drivers/vfio/pci/vfio_pci_rdwr.c) while
 * they are not decoded, and lose what is kicked by an eventfd. What a client has mapped it still reaches: nothing takes a
 * mapping away from another process.
 */
export function decodeBars(
  regions: readonly ServedRegion[],
  bars: readonly BarShape[],
  config: PciConfigSpace,
): ServedRegion[] {
  const types = new Map(bars.map(({ index, type }) => [index, type]));
  return regions.map((region, index) => {
    const type = types.get(index);
    if (type === undefined) return region;
    const decoded =
      (handler: ReadHandler): ReadHandler =>
      (offset, bytes, client) => {
        if (!config.decodes(type)) throw new DeviceError(constants.errno.EIO, `${type} decoding is off`);
        return handler(offset, bytes, client);
      };
    const ioeventfds = region.ioeventfds.map((ioeventfd): IoEventFd => ({
      ...ioeventfd,
      onKick: (times, client) => (config.decodes(type) ? ioeventfd.onKick(times, client) : undefined),
    }));
    return { ...region, read: decoded(region.read), write: decoded(region.write), ioeventfds };
  });
}
