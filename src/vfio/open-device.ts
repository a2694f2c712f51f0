import type { Transport } from "../device/transport/transport.ts";
import { type ErrorCode, HugebarError } from "../errors.ts";
import { linux } from "../system/libc.ts";
import type { System } from "../system/system.ts";
import { parseBdf } from "./sysfs/bdf.ts";
import { IommufdContainer, openCdevFile } from "./cdev.ts";
import type { DeviceOptions, KernelContainer, VfioApi } from "./container.ts";
import { GroupContainer } from "./group.ts";
import { requireVfioDevice } from "./open-errors.ts";
import { SYSFS } from "./sysfs/sysfs.ts";

/** What `openVfioDevice` takes. */
export interface VfioOptions extends DeviceOptions {
  /** How the kernel is asked; by default by cdev where the kernel has it, else by group. */
  readonly api?: VfioApi;
  /** The folder that stands for `/sys`. */
  readonly sys?: string;
  readonly system?: System;
}

/**
 * Opens a PCI device that is bound to VFIO, with a DMA address space of its own.
 *
 * @param name `0000:01:00.0` or `01:00.0`
 * @throws ERR_NO_DEVICE; ERR_BUSY when it is not bound to VFIO, open elsewhere, or its IOMMU group not viable;
 *   ERR_PERMISSION; ERR_NOT_SUPPORTED where the kernel has no VFIO or the device no IOMMU.
 */
export function openVfioDevice(name: string, options: VfioOptions = {}): Transport {
  const bdf = parseBdf(name);
  const { sys = SYSFS } = options;
  const { cdev } = requireVfioDevice(sys, bdf);
  if (options.api !== undefined) return openBy(options.api, bdf, options);
  if (cdev === null) return openBy("group", bdf, options);
  return elseByGroup(
    () => openBy("cdev", bdf, options),
    () => openBy("group", bdf, options),
  );
}

/**
 * Opens a container: several devices in it, of one IOMMU group or of several, share one DMA address space.
 *
 * @param name A device that will be in it: messages name it, and by default it decides the API.
 */
export function openContainer(
  name: string,
  options: Omit<VfioOptions, "enableMemory"> = {},
): KernelContainer {
  const bdf = parseBdf(name);
  const { sys = SYSFS, system = linux } = options;
  if (options.api !== undefined) return containerBy(options.api, bdf, sys, system);
  const { cdev } = requireVfioDevice(sys, bdf);
  if (cdev === null) return containerBy("group", bdf, sys, system);
  return elseByGroup(
    () => {
      // The user may have been given the group's file only.
      system.close(openCdevFile(bdf, cdev, system));
      return containerBy("cdev", bdf, sys, system);
    },
    () => containerBy("group", bdf, sys, system),
  );
}

function containerBy(api: VfioApi, bdf: string, sys: string, system: System): KernelContainer {
  return api === "group" ? new GroupContainer(bdf, sys, system) : new IommufdContainer(bdf, sys, system);
}

function openBy(api: VfioApi, bdf: string, options: VfioOptions): Transport {
  const container = openContainer(bdf, { ...options, api });
  try {
    return container.openDevice(bdf, { ...options, onClose: () => container.close() });
  } catch (error) {
    container.close();
    throw error;
  }
}

/**
 * By cdev, or else by group: a user may have been given the group's file only, and iommufd may be missing or unable.
 * Where neither is possible, the cdev's error says why.
 */
function elseByGroup<Opened>(byCdev: () => Opened, byGroup: () => Opened): Opened {
  try {
    return byCdev();
  } catch (cdevError) {
    if (!isCode(cdevError, "ERR_PERMISSION", "ERR_NOT_SUPPORTED")) throw cdevError;
    try {
      return byGroup();
    } catch (error) {
      throw isCode(error, "ERR_PERMISSION", "ERR_NOT_SUPPORTED") ? cdevError : error;
    }
  }
}

function isCode(error: unknown, ...codes: readonly ErrorCode[]): boolean {
  return error instanceof HugebarError && codes.includes(error.code);
}
