/** For `FakeVfio`: devices, and what they answer as vfio-pci does. */

import { constants } from "node:os";
import { encodeRegionInfo, type RegionDescription } from "../device/transport/region-info.ts";
import {
  VFIO_DEVICE_INFO,
  VFIO_IRQ_INFO,
  VFIO_IRQ_SET,
  VFIO_PCI_VGA_REGION_INDEX,
  VFIO_REGION_INFO,
} from "../device/transport/vfio-abi.ts";
import { SystemCallError } from "../system/system.ts";
import { requireSize } from "./fake-argument.fixture.ts";
import * as vfio from "./ioctls/vfio-kernel-abi.ts";

const { EINVAL, ENOSPC, ENOTTY } = constants.errno;

/** vfio-pci puts region N at N << 40 of the device's file. */
export const REGION_STRIDE = 2 ** 40;

export type FakeRegion = Omit<RegionDescription, "index" | "fdOffset"> & {
  /** What reads find and writes change, from the region's start; the rest reads 0. */
  readonly bytes?: Uint8Array;
};

export interface FakeDevice {
  readonly bdf: string;
  readonly group: number;
  readonly cdev: string;
  /** VFIO_DEVICE_FLAGS_… */
  readonly flags: number;
  readonly regions: readonly FakeRegion[];
  readonly irqCounts: readonly number[];
  /** The token that another process holds its other side with: without it, it does not open. */
  readonly vfToken?: string;
}

/** An open file. */
export interface FakeFile {
  readonly kind: "container" | "group" | "device" | "iommufd";
  readonly device?: FakeDevice;
  readonly group?: number;
  /** Of a group: its container. Of a cdev: its iommufd. */
  owner?: number;
  /** Of a container: its IOMMU is set. Of a cdev: it is attached. */
  ready?: boolean;
  /** Of a cdev: what it is attached to. */
  pageTable?: number;
}

/** Of an opened device: what concerns no other. */
export function answerDevice(device: FakeDevice, request: number, argument: Uint8Array): number {
  switch (request) {
    case vfio.VFIO_DEVICE_GET_INFO: {
      const { flags, regions, irqCounts } = device;
      VFIO_DEVICE_INFO.encodeInto(argument, 0, {
        argsz: VFIO_DEVICE_INFO.size,
        flags,
        num_regions: regions.length,
        num_irqs: irqCounts.length,
      });
      return 0;
    }
    case vfio.VFIO_DEVICE_GET_REGION_INFO:
      return answerRegionInfo(device, argument);
    case vfio.VFIO_DEVICE_GET_IRQ_INFO: {
      const { index } = VFIO_IRQ_INFO.decode(argument);
      const count = device.irqCounts[index];
      if (count === undefined) throw new SystemCallError("ioctl", EINVAL);
      VFIO_IRQ_INFO.encodeInto(argument, 0, { argsz: VFIO_IRQ_INFO.size, flags: 1, index, count });
      return 0;
    }
    case vfio.VFIO_DEVICE_SET_IRQS:
      return requireSize(argument, VFIO_IRQ_SET.size);
    case vfio.VFIO_DEVICE_PCI_HOT_RESET:
      return requireSize(argument, vfio.VFIO_PCI_HOT_RESET.size);
    default:
      throw new SystemCallError("ioctl", ENOTTY);
  }
}

/** All devices of one bus are reset together, whatever their group. */
export function answerHotResetInfo(
  devices: readonly FakeDevice[],
  files: readonly FakeFile[],
  file: FakeFile,
  device: FakeDevice,
  argument: Uint8Array,
): number {
  const bus = Number.parseInt(device.bdf.slice(5, 7), 16);
  const affected = devices.filter(({ bdf }) => Number.parseInt(bdf.slice(5, 7), 16) === bus);
  const byCdev = file.owner !== undefined;
  const { argsz } = vfio.VFIO_PCI_HOT_RESET_INFO.decode(argument);
  const flags = byCdev ? vfio.VFIO_PCI_HOT_RESET_FLAG_DEV_ID : 0;
  vfio.VFIO_PCI_HOT_RESET_INFO.encodeInto(argument, 0, { argsz, flags, count: affected.length });
  const { size } = vfio.VFIO_PCI_HOT_RESET_INFO;
  if (argsz < size + affected.length * vfio.VFIO_PCI_DEPENDENT_DEVICE.size)
    throw new SystemCallError("ioctl", ENOSPC);
  for (const [index, { bdf, group }] of affected.entries()) {
    const held = files.some((other) => other.device?.bdf === bdf && other.owner === file.owner);
    vfio.VFIO_PCI_DEPENDENT_DEVICE.encodeInto(argument, size + index * vfio.VFIO_PCI_DEPENDENT_DEVICE.size, {
      group_id: byCdev ? (held ? index + 1 : 0xffff_ffff) : group,
      bus,
      devfn: (Number.parseInt(bdf.slice(8, 10), 16) << 3) | Number(bdf.at(-1)),
    });
  }
  return 0;
}

/** The kernel fills in what fits and says in `argsz` what would. */
function answerRegionInfo(device: FakeDevice, argument: Uint8Array): number {
  const { argsz, index } = VFIO_REGION_INFO.decode(argument);
  const region = device.regions[index];
  const isAbsentVga = index === VFIO_PCI_VGA_REGION_INDEX && region?.size === 0;
  if (region === undefined || isAbsentVga || argsz < VFIO_REGION_INFO.size)
    throw new SystemCallError("ioctl", EINVAL);
  const whole = encodeRegionInfo({ ...region, index, fdOffset: index * REGION_STRIDE });
  if (whole.length <= argsz) {
    argument.set(whole);
    return 0;
  }
  argument.set(whole.subarray(0, VFIO_REGION_INFO.size));
  VFIO_REGION_INFO.encodeInto(argument, 0, { ...VFIO_REGION_INFO.decode(argument), cap_offset: 0 });
  return 0;
}
