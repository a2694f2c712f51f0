/**
 * The configuration space of a device with one BAR, as far as QEMU must see it to attach: for tests that must know when
 * it looks.
 */

import {
  PCI_BASE_ADDRESS_0,
  PCI_BASE_ADDRESS_MEM_PREFETCH,
  PCI_BASE_ADDRESS_MEM_TYPE_64,
  PCI_CFG_SPACE_SIZE,
  PCI_CLASS_REVISION,
  PCI_DEVICE_ID,
  PCI_VENDOR_ID,
} from "../../src/device/file/pci-regs.ts";
import { VFIO_PCI_CONFIG_REGION_INDEX } from "../../src/device/transport/vfio-abi.ts";
import type { DeviceRegion } from "../../src/vfio-user/server/parts/region-description.ts";

export interface WatchedConfigSpaceOptions {
  /** The BAR with the memory: 64 bits wide, it takes the next one's register too. */
  readonly bar: number;
  readonly onRead: () => void;
}

/** It takes no writes: a client that keeps its guest's BAR addresses to itself, as QEMU does, needs none. */
export function watchedConfigSpace({ bar, onRead }: WatchedConfigSpaceOptions): DeviceRegion {
  const bytes = new Uint8Array(PCI_CFG_SPACE_SIZE);
  const view = new DataView(bytes.buffer);
  view.setUint16(PCI_VENDOR_ID, 0x1b36, true);
  view.setUint16(PCI_DEVICE_ID, 0x0005, true);
  // Unassigned class.
  view.setUint32(PCI_CLASS_REVISION, 0xff00_0000, true);
  const type = PCI_BASE_ADDRESS_MEM_TYPE_64 | PCI_BASE_ADDRESS_MEM_PREFETCH;
  view.setUint32(PCI_BASE_ADDRESS_0 + 4 * bar, type, true);
  return {
    index: VFIO_PCI_CONFIG_REGION_INDEX,
    size: bytes.length,
    read(offset, target) {
      onRead();
      target.set(bytes.subarray(offset, offset + target.length));
    },
    write() {},
  };
}
