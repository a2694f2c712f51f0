/** Which devices change hands for `hugebar bind` and `unbind`, and what is written where for it. No write is made here. */

import { join } from "node:path";
import { hugebarError } from "../../errors.ts";
import { deviceUses, vfioHolders, virtualFunctionUses, type MachineRoots } from "../device-uses.ts";
import { devicesInTheWay, iommuGroupDevices, isYetToBeGrouped } from "../sysfs/iommu-group.ts";
import { findPciDevice, pciDevicePath, readPciDevice, type PciDevice } from "../sysfs/pci-device.ts";
import { readAttribute, readLinkName } from "../sysfs/sysfs.ts";
import { eachOnce, type Findings, type Unknown } from "../uses/machine/findings.ts";
import { deniedFiles, processTitles } from "../uses/machine/processes.ts";
import type { Survey } from "../uses/machine/survey.ts";
import { chooseDriver, isSameDriver, type ChosenDriver } from "./choose-driver.ts";
import { headerType, isHostBridge, PCI_HEADER_TYPE_NORMAL } from "./header-type.ts";
import { operatorsOverride } from "./persist.ts";
import { inUse, requireAskedFor, requireIommu, requireTakeable } from "./refusals.ts";

/** One write to sysfs. */
export interface SysfsWrite {
  readonly path: string;
  readonly value: string;
}

/** One device changing hands. */
export interface BindStep {
  readonly bdf: string;
  /** The driver it has now. */
  readonly from: string | null;
  /** The driver it is to have; null for the one that the kernel finds. */
  readonly to: string | null;
  /** The module to load first; null where the driver is there. */
  readonly module: string | null;
  /** What `driver_override` says now; null for nothing. */
  readonly override: string | null;
  readonly writes: readonly SysfsWrite[];
}

/** A device of an IOMMU group whose driver keeps the group from being viable. */
export interface InTheWay {
  readonly bdf: string;
  readonly driver: string | null;
}

export interface BindPlan {
  readonly steps: readonly BindStep[];
  /** The uses that `force` overrides, each with its device: `0000:01:00.0: /dev/nvme0n1p2 is mounted on /`. */
  readonly overridden: readonly string[];
  /** What could not be found out about the devices' uses. */
  readonly unknown: readonly Unknown[];
  /** The device's IOMMU group as it will be: viable if nobody is in the way. Null without one. */
  readonly group: { readonly number: number; readonly inTheWay: readonly InTheWay[] } | null;
  /** What else is to be known: why a driver other than vfio-pci was chosen, and who needs a VF token. */
  readonly notes: readonly string[];
}

export interface BindOptions {
  /** All devices of the IOMMU group, not only this one. */
  readonly group?: boolean;
  /** Also a device in use: whatever uses it loses it. */
  readonly force?: boolean;
  /** Also a device behind no IOMMU. */
  readonly noIommu?: boolean;
  /** The driver to take instead of vfio-pci or the variant of it that is made for the device. */
  readonly driver?: string;
}

/**
 * What `bind` does to hand a device to vfio-pci, or to the variant of it for this device. Devices that VFIO has already
 * are left out.
 *
 * @throws ERR_NO_DEVICE; ERR_BUSY for a device in use, which `force` allows; ERR_NOT_SUPPORTED for one that vfio-pci
 *   does not take, and for one behind no IOMMU, which `noIommu` allows.
 */
export function planBind(survey: Survey, bdf: string, options: BindOptions = {}): BindPlan {
  const { roots } = survey;
  const asked = readPciDevice(roots.sys, bdf);
  requireTakeable(roots, asked);
  const devices = chosen(roots, asked, options).map((device) => ({
    device,
    driver: chooseDriver(roots, device.bdf, options.driver),
  }));
  const changing = devices.filter(({ device, driver }) => !hasDriver(device, driver, options));
  for (const { device } of changing) {
    if (options.noIommu !== true) requireIommu(roots, device);
    requireAskedFor(survey, device, bdf);
  }
  const findings = changing.map(({ device }) => ({ device, ...usesOf(survey, device) }));
  const used = findings.filter(({ uses }) => uses.length > 0);
  if (options.force !== true && used.length > 0) throw inUse(used, bdf);
  return {
    steps: changing.map(({ device, driver }) => bindStep(roots, device, driver)),
    overridden: used.flatMap(({ device, uses }) => uses.map((use) => `${device.bdf}: ${use}`)),
    unknown: eachOnce(findings.flatMap(({ unknown }) => unknown)),
    group: groupAfter(roots, asked, changing),
    notes: changing.flatMap(({ device, driver }) =>
      choiceNotes(device, driver).concat(tokenNotes(roots, device.bdf), groupNotes(roots, device)),
    ),
  };
}

/**
 * What `unbind` does to give a device back to the driver that the kernel finds for it. Devices that VFIO has not are
 * left out.
 *
 * @throws ERR_NO_DEVICE; ERR_BUSY for a device that a process holds open, or that has virtual functions, which `force`
 *   allows: the kernel then waits for who holds them.
 */
export function planUnbind(survey: Survey, bdf: string, options: BindOptions = {}): BindPlan {
  const { roots } = survey;
  const asked = readPciDevice(roots.sys, bdf);
  const devices = chosen(roots, asked, options).filter(({ boundToVfio }) => boundToVfio);
  const findings = devices.map((device) => ({ device, ...unbindUses(survey, device.bdf) }));
  const used = findings.filter(({ uses }) => uses.length > 0);
  const [first] = used;
  if (options.force !== true && first !== undefined) {
    const problem = `${first.uses.join("; ")}; end that first, or wait for it with --force`;
    throw hugebarError("ERR_BUSY", { action: `unbind ${first.device.bdf}`, problem });
  }
  return {
    steps: devices.map((device) => unbindStep(roots, device)),
    overridden: used.flatMap(({ device, uses }) => uses.map((use) => `${device.bdf}: ${use}`)),
    unknown: eachOnce(findings.flatMap(({ unknown }) => unknown)),
    group: null,
    notes: devices.flatMap(({ bdf: device }) => overrideNotes(roots, device)),
  };
}

/** What an operator has set stays: it is not this tool's to take away. */
function overrideNotes(roots: MachineRoots, bdf: string): string[] {
  const driver = operatorsOverride(roots, bdf);
  if (driver === null) return [];
  return [
    `driverctl gives ${bdf} to ${driver} at each start: what an operator has set so stays until driverctl unset-override ${bdf}`,
  ];
}

function choiceNotes({ bdf }: PciDevice, { name, why }: ChosenDriver): string[] {
  return why === null ? [] : [`${bdf} goes to ${name}: ${why}`];
}

/**
 * A VF whose physical function VFIO has as well opens only with the token that this one's user has set, for whoever
 * has that one could read and write through it (vfio_pci_validate_vf_token).
 */
function tokenNotes({ sys }: MachineRoots, bdf: string): string[] {
  const name = readLinkName(pciDevicePath(sys, bdf), "physfn");
  const physical = name === null ? null : findPciDevice(sys, name);
  if (physical === null || !physical.boundToVfio) return [];
  return [
    `${bdf} is a virtual function of ${physical.bdf}, which VFIO has too: both open with the same VF token (vfToken, --vf-token, QEMU's vf-token=UUID)`,
  ];
}

function groupNotes({ sys }: MachineRoots, device: PciDevice): string[] {
  if (!isYetToBeGrouped(sys, device)) return [];
  return [
    `${device.bdf} has no IOMMU group before a driver has taken it: who else is in that is not known yet`,
  ];
}

/** The device asked for first, then the rest of its group where that is wanted. */
function chosen({ sys }: MachineRoots, asked: PciDevice, { group = false }: BindOptions): PciDevice[] {
  if (group && isYetToBeGrouped(sys, asked)) {
    const problem = "it has none before a driver has taken it; bind it without --group, and then with it";
    throw hugebarError("ERR_NOT_SUPPORTED", { action: `find the IOMMU group of ${asked.bdf}`, problem });
  }
  if (!group || asked.iommuGroup === null) return [asked];
  const others = iommuGroupDevices(sys, asked.iommuGroup).filter(
    (other) =>
      other.bdf !== asked.bdf &&
      // The kernel lets a group be viable with them: host bridges have no driver, ports do no DMA of their own.
      !isHostBridge(other) &&
      headerType(sys, other) === PCI_HEADER_TYPE_NORMAL,
  );
  return [asked, ...others];
}

function hasDriver(device: PciDevice, driver: ChosenDriver, { driver: wanted }: BindOptions): boolean {
  if (!device.boundToVfio) return false;
  return wanted === undefined || isSameDriver(device.driver ?? "", driver.name);
}

function usesOf(survey: Survey, device: PciDevice): Findings {
  const { uses, unknown } = deviceUses(survey, device.bdf);
  const held = device.boundToVfio ? holdersUse(survey, device.bdf).uses : [];
  return { uses: [...uses, ...held], unknown };
}

/** vfio-pci takes the virtual functions away with the physical one (vfio_pci_core_unregister_device). */
function unbindUses(survey: Survey, bdf: string): Findings {
  const held = holdersUse(survey, bdf);
  const carried = virtualFunctionUses(survey, bdf);
  return { uses: [...held.uses, ...carried.uses], unknown: [...held.unknown, ...carried.unknown] };
}

function holdersUse(survey: Survey, bdf: string): Findings {
  const pids = vfioHolders(survey, bdf);
  const { denied } = survey.held();
  const verb = pids.length === 1 ? "holds" : "hold";
  return {
    uses: pids.length === 0 ? [] : [`${processTitles(survey.roots, pids)} ${verb} it open`],
    unknown: deniedFiles(survey.roots, denied),
  };
}

function groupAfter(
  { sys }: MachineRoots,
  { iommuGroup }: PciDevice,
  changing: readonly { readonly device: PciDevice }[],
): BindPlan["group"] {
  if (iommuGroup === null) return null;
  const taken = new Set(changing.map(({ device }) => device.bdf));
  const inTheWay = devicesInTheWay(sys, iommuGroup)
    .filter(({ bdf }) => !taken.has(bdf))
    .map(({ bdf, driver }) => ({ bdf, driver }));
  return { number: iommuGroup, inTheWay };
}

function bindStep(roots: MachineRoots, { bdf, driver: from }: PciDevice, driver: ChosenDriver): BindStep {
  return {
    bdf,
    from,
    to: driver.name,
    module: driver.module,
    override: readOverride(roots, bdf),
    writes: [overrideWrite(roots, bdf, driver.name), ...release(roots, bdf, from), probe(roots, bdf)],
  };
}

function unbindStep(roots: MachineRoots, { bdf, driver: from }: PciDevice): BindStep {
  return {
    bdf,
    from,
    to: null,
    module: null,
    override: readOverride(roots, bdf),
    writes: [overrideWrite(roots, bdf, null), ...release(roots, bdf, from), probe(roots, bdf)],
  };
}

function readOverride({ sys }: MachineRoots, bdf: string): string | null {
  const text = readAttribute(pciDevicePath(sys, bdf), "driver_override") ?? "";
  return text === "" || text === "(null)" ? null : text;
}

/** @internal A lone line feed clears it (driver_set_override). */
export function overrideWrite({ sys }: MachineRoots, bdf: string, driver: string | null): SysfsWrite {
  return { path: join(pciDevicePath(sys, bdf), "driver_override"), value: driver ?? "\n" };
}

/** @internal */
export function release({ sys }: MachineRoots, bdf: string, driver: string | null): SysfsWrite[] {
  return driver === null ? [] : [{ path: join(sys, "bus/pci/drivers", driver, "unbind"), value: bdf }];
}

/** @internal */
export function probe({ sys }: MachineRoots, bdf: string): SysfsWrite {
  return { path: join(sys, "bus/pci/drivers_probe"), value: bdf };
}
