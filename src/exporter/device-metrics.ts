/** The collector for the machine's PCI devices: those bound to VFIO, and those with a BAR that is worth huge pages. */

import { LARGE_BAR, ROM_INDEX } from "../vfio/sysfs/pci-resources.ts";
import type { PciDevice } from "../vfio/sysfs/pci-device.ts";
import { gauge, type Family } from "./families.ts";

export function deviceMetrics(devices: readonly PciDevice[]): Family[] {
  const info = gauge(
    "hugebar_device_info",
    "A PCI device that is bound to VFIO or has a large BAR; the value is 1.",
  );
  const size = gauge("hugebar_device_bar_bytes", "The size of a memory BAR of such a device.");
  const unassigned = gauge(
    "hugebar_device_unassigned_bars",
    "How many BARs of such a device have no address.",
  );
  for (const { bdf, vendor, device, driver, boundToVfio, iommuGroup, resources } of devices) {
    const bars = resources.filter(({ index, kind }) => index < ROM_INDEX && kind === "memory");
    if (!boundToVfio && !bars.some((bar) => bar.size >= LARGE_BAR)) continue;
    info.add(
      {
        device: bdf,
        vendor_id: id(vendor),
        device_id: id(device),
        driver: driver ?? "none",
        iommu_group: String(iommuGroup ?? "none"),
      },
      1,
    );
    for (const bar of bars) size.add({ device: bdf, region: String(bar.index) }, bar.size);
    unassigned.add({ device: bdf }, bars.filter(({ address }) => address === 0n).length);
  }
  return [info, size, unassigned];
}

/** As lspci writes it: four hexadecimal digits. */
function id(value: number): string {
  return value.toString(16).padStart(4, "0");
}
