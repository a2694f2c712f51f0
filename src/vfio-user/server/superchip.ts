/**
 * The GPU of a Grace superchip as nvgrace-gpu finds it on the bus (drivers/vfio/pci/nvgrace-gpu/main.c): its ids, the registers
 * that say whether link and memory are ready, and what tells a GB200 from a GH200. Its memory is no BAR; firmware tells where it is.
 */

import { MIB } from "../../layout/sizes.ts";
import type { DeviceDescription } from "./device-description.ts";
import { defineRegisters } from "./registers/registers.ts";

export type Superchip = "gb200" | "gh200";

const PCI_VENDOR_ID_NVIDIA = 0x10de;
/** Of those that the driver names. */
const DEVICE_IDS = { gb200: 0x2941, gh200: 0x2342 } as const;
/** A 3D controller. */
const CLASS = 0x03_0200;
const BAR0_SIZE = 16 * MIB;

/** What both registers read once all is well: STATUS_READY. */
const READY = 0xff;
/** How long it takes after a reset: the driver waits up to 30 s. */
const READY_AFTER_MILLISECONDS = 200;

const PCI_EXT_CAP_ID_DVSEC = 0x23;
/** Vendor, revision 0 and 12 bytes, id 3, and its first bit: no memory is kept back from region 4. */
const MEMORY_DVSEC = Uint8Array.of(0xde, 0x10, 0xc0, 0x00, 3, 0, 1, 0);

/** The device, and what ends its timer. */
export function superchip(kind: Superchip): { readonly device: DeviceDescription; close(): void } {
  const registers = defineRegisters({
    c2cLink: { offset: 0x1498, width: 4, writable: 0 },
    hbmTraining: { offset: 0x200bc, width: 4, writable: 0 },
  });
  let timer: NodeJS.Timeout | undefined;
  const train = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      registers.set("c2cLink", READY);
      registers.set("hbmTraining", READY);
    }, READY_AFTER_MILLISECONDS);
  };
  train();
  const dvsec = { id: PCI_EXT_CAP_ID_DVSEC, data: MEMORY_DVSEC };
  return {
    device: {
      pci: {
        vendor: PCI_VENDOR_ID_NVIDIA,
        device: DEVICE_IDS[kind],
        class: CLASS,
        capabilities: [{ type: "pcie" }, { type: "pm" }, { type: "msi", vectors: 1 }],
        extendedCapabilities: kind === "gb200" ? [dvsec] : [],
      },
      regions: [{ index: 0, size: BAR0_SIZE, registers, bar: { type: "memory", width: 64 } }],
      // Registers have been reset before: neither is ready.
      reset: train,
    },
    close: () => clearTimeout(timer),
  };
}
