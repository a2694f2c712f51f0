/** What is tested of a device: a part of one region, after a look at whether touching it can hurt. */

import { readlinkSync } from "node:fs";
import type { Device } from "../device/device.ts";
import { presentRegion } from "../device/present-region.ts";
import { readHostKernel, requireModel } from "../device/leaves/host-kernel.ts";
import { PCI_COMMAND_MEMORY, PCI_VENDOR_ID } from "../device/file/pci-regs.ts";
import { HugebarError, hugebarError } from "../errors.ts";
import { formatSize } from "../layout/sizes.ts";
import { PROT_READ, PROT_WRITE } from "../system/constants.ts";
import type { System } from "../system/system.ts";
import { kindOfMemory } from "./memory-kind.ts";
import type { ControlledDevice, Subject } from "./subject.ts";
import { testedPart } from "./tested-part.ts";

export interface SubjectOptions {
  /** Read memory that may be registers, too. */
  readonly touchRegisters: boolean;
}

/**
 * @throws ERR_REGION_INDEX, ERR_NOT_SUPPORTED where the region cannot be tested, or must not be read unasked
 */
export function openSubject(
  device: Device,
  index: number,
  { touchRegisters }: SubjectOptions,
  system: System,
): Subject {
  const region = presentRegion(device, index);
  const cannot = (problem: string): HugebarError =>
    hugebarError("ERR_NOT_SUPPORTED", { action: `test region ${region.name}`, problem });
  if (region.backing !== "device")
    throw cannot("shared memory stands for the device: the kernel maps none of its memory");
  const { fd, physical } = region;
  if (fd === null || region.areas.length === 0 || !region.readable)
    throw cannot("the device does not allow to map and read it");
  if (physical === null)
    throw cannot("its physical address is not known, and which leaves are due hangs on it");
  const { model } = requireModel(readHostKernel(system));
  const part = testedPart(region.areas, physical, model);
  if (part === null) {
    const largest = Math.max(...region.areas.map(({ size }) => size));
    throw cannot(
      `its largest area has ${formatSize(largest)}, and no room for two whole blocks of the smallest huge leaf, ${formatSize(model.pmdSize)}`,
    );
  }
  const kind = kindOfMemory(index, region.driver, (offset) => device.config.read32(offset));
  if (kind === "registers" && !touchRegisters) {
    throw cannot(
      "it is no prefetchable BAR, so that reading it may do something: --touch-registers reads it all the same",
    );
  }
  // Looks whether its memory answers, and switches that on where that was asked for: what the points map goes past it.
  region.map().close();
  return {
    system,
    model,
    fd,
    fdOffset: region.fdOffset + part.offset,
    size: part.size,
    protection: PROT_READ | (region.writable ? PROT_WRITE : 0),
    advice: null,
    physical: physical + BigInt(part.offset),
    kind,
    device: controlled(device, index, { fd, start: part.offset }),
  };
}

/** @throws ERR_NOT_SUPPORTED without a cause, for this is no point's matter: on again it must be, or nothing may be touched */
export function decodeMemory({ name, config }: DecodingDevice, enabled: boolean): boolean {
  let why = "";
  try {
    const took = config.switchCommand(PCI_COMMAND_MEMORY, enabled);
    if (took || !enabled) return took;
  } catch (error) {
    if (!enabled || !(error instanceof HugebarError)) throw error;
    why = ` (${error.message})`;
  }
  throw hugebarError("ERR_NOT_SUPPORTED", {
    action: `test ${name} any further`,
    problem: `its memory decoding stays off, and touching its memory would end this process${why}`,
  });
}

interface DecodingDevice {
  readonly name: string;
  readonly config: { switchCommand(bit: number, enabled: boolean): boolean };
}

/** @param start where the part starts in the region */
function controlled(
  device: Device,
  region: number,
  { fd, start }: { readonly fd: number; readonly start: number },
): ControlledDevice {
  // By a cdev the device is iommufd's, which pins pages and takes no others (iopt_map_user_pages).
  const isIommufd = readlinkSync(`/proc/self/fd/${fd}`).startsWith("/dev/vfio/devices/");
  return {
    dma: isIommufd ? null : device.addressSpace,
    exportDmaBuf: (offset, size) => device.exportDmaBuf(region, { offset: start + offset, size }),
    decodeMemory: (enabled) => decodeMemory(device, enabled),
    isGone() {
      try {
        // No function has this vendor: what reads so is a bus on which nobody answers.
        return device.config.read32(PCI_VENDOR_ID) === 0xffff_ffff;
      } catch (error) {
        if (error instanceof HugebarError) return true;
        throw error;
      }
    },
    reset() {
      try {
        device.reset();
        return true;
      } catch (error) {
        if (error instanceof HugebarError && error.code === "ERR_NOT_SUPPORTED") return false;
        throw error;
      }
    },
  };
}
