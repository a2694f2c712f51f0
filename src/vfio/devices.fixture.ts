/** Devices for tests at the seam, as QEMU has them. */

import {
  VFIO_DEVICE_FLAGS_PCI,
  VFIO_DEVICE_FLAGS_RESET,
  VFIO_REGION_INFO_FLAG_MMAP,
  VFIO_REGION_INFO_FLAG_READ,
  VFIO_REGION_INFO_FLAG_WRITE,
} from "../device/transport/vfio-abi.ts";
import { GIB } from "../layout/sizes.ts";
import type { FakeDevice, FakeRegion } from "./fake-device.fixture.ts";

const READ_WRITE = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;

/** A region with nothing special about it: mappable whole, read and written. */
export function plainRegion(size: number, more: Partial<FakeRegion> = {}): FakeRegion {
  const flags = READ_WRITE | VFIO_REGION_INFO_FLAG_MMAP;
  return { size, flags, sparseAreas: null, msixMappable: false, type: null, ...more };
}

const ABSENT: FakeRegion = { size: 0, flags: 0, sparseAreas: null, msixMappable: false, type: null };

/** Configuration space with memory decoding on and an MSI-X capability: 65 vectors, table and pending bits in BAR 0. */
export function configBytes(): Uint8Array {
  const bytes = new Uint8Array(256);
  const view = new DataView(bytes.buffer);
  view.setUint16(0x00, 0x1b36, true);
  view.setUint16(0x02, 0x0010, true);
  view.setUint16(0x04, 0x0406, true);
  view.setUint16(0x06, 0x0010, true);
  view.setUint32(0x08, 0x01_08_02_02, true);
  view.setUint8(0x34, 0x40);
  bytes.set([0x01, 0x00, 0x03, 0x00, 0x00, 0x00], 0x60);
  bytes.set([0x11, 0x60, 0x40, 0x00, 0x00, 0x20, 0x00, 0x00, 0x00, 0x30, 0x00, 0x00], 0x40);
  return bytes;
}

/** BAR 0 with an MSI-X table, BAR 2 of 64 GiB, an I/O-port BAR 4, an expansion ROM, configuration space. */
export function fakeDevice(bdf: string, more: Partial<FakeDevice> = {}): FakeDevice {
  const config = configBytes();
  return {
    bdf,
    group: 7,
    cdev: `vfio-${bdf}`,
    flags: VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET,
    regions: [
      plainRegion(0x4000, { bytes: new Uint8Array(0x4000) }),
      ABSENT,
      plainRegion(64 * GIB),
      ABSENT,
      plainRegion(0x80, { flags: READ_WRITE }),
      ABSENT,
      plainRegion(0x8000, { flags: VFIO_REGION_INFO_FLAG_READ }),
      plainRegion(config.length, { flags: READ_WRITE, bytes: config }),
      ABSENT,
    ],
    irqCounts: [1, 1, 65, 1, 1],
    ...more,
  };
}
