/** What `bind` refuses, and how it says so. */

import { hugebarError, type HugebarError } from "../../errors.ts";
import { isNoIommuGroup, isYetToBeGrouped } from "../sysfs/iommu-group.ts";
import type { MachineRoots } from "../sysfs/machine-roots.ts";
import { noIommu } from "../open-errors.ts";
import type { PciDevice } from "../sysfs/pci-device.ts";
import { functionsBelow, virtualFunctions } from "../uses/pci-below.ts";
import type { Survey } from "../uses/machine/survey.ts";
import { headerType, PCI_HEADER_TYPE_NORMAL } from "./header-type.ts";

/** vfio_pci_core_register_device looks at the header and at nothing else. */
export function requireTakeable({ sys }: MachineRoots, device: PciDevice): void {
  const type = headerType(sys, device);
  if (type === PCI_HEADER_TYPE_NORMAL) return;
  throw hugebarError("ERR_NOT_SUPPORTED", {
    action: `bind ${device.bdf}`,
    problem: `it is a bridge to another bus (PCI header type ${type}), which vfio-pci does not take; bind the devices behind it`,
  });
}

export function requireIommu({ sys }: MachineRoots, device: PciDevice): void {
  const { bdf, iommuGroup } = device;
  if (isYetToBeGrouped(sys, device)) return;
  if (iommuGroup === null || isNoIommuGroup(sys, iommuGroup)) throw noIommu(`bind ${bdf}`);
}

/** A whole domain, or all functions of a card, are not taken because one of their group was asked for. */
export function requireAskedFor({ roots }: Survey, { bdf }: PciDevice, asked: string): void {
  const carried = [...functionsBelow(roots, bdf), ...virtualFunctions(roots, bdf)];
  if (bdf === asked || carried.length === 0) return;
  throw hugebarError("ERR_BUSY", {
    action: `bind ${asked}`,
    problem: `${bdf} of its IOMMU group carries ${carried.length} other PCI devices (${carried.slice(0, 4).join(", ")}), which would go with it; if that is meant, bind ${bdf} by itself first`,
  });
}

export function inUse(
  used: readonly { readonly device: PciDevice; readonly uses: readonly string[] }[],
  asked: string,
): HugebarError {
  const lists = used.map(({ device, uses }) => {
    const whose = device.bdf === asked ? "it is in use" : `${device.bdf} of its IOMMU group is in use`;
    return `${whose}: ${uses.join("; ")}`;
  });
  return hugebarError("ERR_BUSY", {
    action: `bind ${asked}`,
    problem: `${lists.join("; ")}. --force takes it away all the same`,
  });
}
