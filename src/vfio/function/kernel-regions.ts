import { decodeConfigSpace, type MsixCapability } from "../../device/file/config-space.ts";
import { PCI_CFG_SPACE_SIZE } from "../../device/file/pci-regs.ts";
import {
  decodeRegionInfo,
  mappableAreas,
  type RegionDescription,
} from "../../device/transport/region-info.ts";
import type { DeviceInfo, RegionInfo } from "../../device/transport/transport.ts";
import {
  VFIO_DEVICE_FLAGS_PCI,
  VFIO_PCI_BAR5_REGION_INDEX,
  VFIO_PCI_CONFIG_REGION_INDEX,
  VFIO_PCI_VGA_REGION_INDEX,
} from "../../device/transport/vfio-abi.ts";
import { hugebarError } from "../../errors.ts";
import type { Area } from "../../layout/areas.ts";
import { ownRegions } from "../../rules/own-memory.ts";
import { hasOwnMemory } from "../../rules/drivers.ts";
import { SystemCallError, type System } from "../../system/system.ts";
import { requestError } from "../ioctls/request-error.ts";
import { carveOut, msixPages } from "./msix-carve-out.ts";
import type { PciDevice } from "../sysfs/pci-device.ts";
import { queryRegionInfo } from "../ioctls/query-region-info.ts";

/** The regions behind a device's file: what the kernel says of them, and access through the file. */
export class KernelRegions {
  readonly #device: PciDevice;
  readonly #fd: number;
  readonly #info: DeviceInfo;
  readonly #system: System;
  readonly #known = new Map<number, RegionInfo>();
  #msix: MsixCapability | null | undefined;

  constructor(device: PciDevice, fd: number, info: DeviceInfo, system: System) {
    this.#device = device;
    this.#fd = fd;
    this.#info = info;
    this.#system = system;
  }

  /** What the kernel says does not change while the device is open, and every access needs the place in the file. */
  info(index: number): RegionInfo {
    const known = this.#known.get(index);
    if (known !== undefined) return known;
    const { regionCount } = this.#info;
    if (!Number.isInteger(index) || index < 0 || index >= regionCount) {
      const problem = regionCount === 0 ? "it has no regions" : `it has regions 0 to ${regionCount - 1}`;
      throw hugebarError("ERR_REGION_INDEX", { index, device: this.#device.bdf, problem });
    }
    const description = this.#describe(index);
    const { size, flags, fdOffset } = description;
    const areas = this.#areasOf(description);
    const fd = areas.length === 0 ? null : this.#fd;
    const physical = this.#physicalOf(index, size);
    const { driver } = this.#device;
    const info: RegionInfo = { index, size, flags, fdOffset, areas, fd, physical, driver, backing: "device" };
    this.#known.set(index, info);
    return info;
  }

  read(index: number, offset: number, target: Uint8Array): void {
    const { fdOffset } = this.info(index);
    this.#transfer("read", index, offset, target, (part, done) =>
      this.#system.pread(this.#fd, part, fdOffset + offset + done),
    );
  }

  write(index: number, offset: number, source: Uint8Array): void {
    const { fdOffset } = this.info(index);
    this.#transfer("write", index, offset, source, (part, done) =>
      this.#system.pwrite(this.#fd, part, fdOffset + offset + done),
    );
  }

  #describe(index: number): RegionDescription {
    const region = `${index} of ${this.#device.bdf}`;
    try {
      return decodeRegionInfo(queryRegionInfo(this.#fd, index, region, this.#system), region);
    } catch (error) {
      // vfio-pci counts a VGA region for every device, and describes it for VGA devices only (vfio_pci_core.c).
      const isAbsent = error instanceof SystemCallError && error.code === "EINVAL";
      if (isAbsent && index === VFIO_PCI_VGA_REGION_INDEX) return absentRegion(index);
      throw requestError(`read the description of region ${region}`, error);
    }
  }

  #areasOf(description: RegionDescription): readonly Area[] {
    const areas = mappableAreas(description);
    const { index, msixMappable } = description;
    if (areas.length === 0 || msixMappable || index > VFIO_PCI_BAR5_REGION_INDEX) return areas;
    const msix = this.#msixCapability();
    return msix === null ? areas : carveOut(areas, msixPages(msix, index, this.#system.pageSize));
  }

  #msixCapability(): MsixCapability | null {
    if ((this.#info.flags & VFIO_DEVICE_FLAGS_PCI) === 0) return null;
    if (this.#msix === undefined) {
      const bytes = new Uint8Array(PCI_CFG_SPACE_SIZE);
      this.read(VFIO_PCI_CONFIG_REGION_INDEX, 0, bytes);
      this.#msix = decodeConfigSpace(bytes, this.#device.bdf).msix;
    }
    return this.#msix;
  }

  #physicalOf(index: number, size: number): bigint | null {
    const resource = this.#device.resources.find((candidate) => candidate.index === index);
    // A driver with memory of its own gives it as a region in the place of a BAR, which sysfs still lists.
    if (hasOwnMemory(this.#device.driver) && resource?.size !== size) return this.#ownPhysicalOf(index, size);
    return resource?.kind === "memory" && resource.address !== 0n ? resource.address : null;
  }

  /** Of a region that the driver gives beside BARs, where the device tree tells where that memory lies. */
  #ownPhysicalOf(index: number, size: number): bigint | null {
    const { ownMemory } = this.#device;
    if (ownMemory === null) return null;
    const { whole, split } = ownRegions(ownMemory.size);
    const region = [...whole, ...split].find((each) => each.index === index && each.size === size);
    return region === undefined ? null : ownMemory.address + BigInt(region.offset);
  }

  /** One request, as a register wants it; a kernel that stops early, as at a page that faults, is asked for the rest. */
  #transfer(
    access: "read" | "write",
    index: number,
    offset: number,
    bytes: Uint8Array,
    call: (part: Uint8Array, done: number) => number,
  ): void {
    let done = 0;
    try {
      while (done < bytes.length) {
        const moved = call(done === 0 ? bytes : bytes.subarray(done), done);
        if (moved === 0) break;
        done += moved;
      }
    } catch (error) {
      throw requestError(`${describeAccess(access, bytes, offset)} of ${this.#nameOf(index)}`, error);
    }
    if (done < bytes.length) {
      throw hugebarError("ERR_ACCESS_RANGE", {
        access: describeAccess(access, bytes, offset),
        target: this.#nameOf(index),
        problem: `the kernel moved only ${done}`,
      });
    }
  }

  #nameOf(index: number): string {
    return `region ${index} of ${this.#device.bdf}`;
  }
}

function describeAccess(access: "read" | "write", bytes: Uint8Array, offset: number): string {
  return `${access} ${bytes.length} bytes at 0x${offset.toString(16)}`;
}

function absentRegion(index: number): RegionDescription {
  return { index, size: 0, flags: 0, fdOffset: 0, sparseAreas: null, msixMappable: false, type: null };
}
