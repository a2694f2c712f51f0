/** A shape as it lies: areas of the BAR mapped where it wants them, and a virtual machine with its slots over them. */

import assert from "node:assert/strict";

import type { IoAddressSpace } from "../../../../src/device/transport/transport.ts";
import { GIB } from "../../../../src/layout/sizes.ts";
import {
  MADV_HUGEPAGE,
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_NORESERVE,
  MAP_PRIVATE,
  MAP_SHARED,
  PROT_NONE,
  PROT_READ,
  PROT_WRITE,
} from "../../../../src/system/constants.ts";
import { linux } from "../../../../src/system/libc.ts";
import { openVfioDevice } from "../../../../src/vfio/open-device.ts";
import { bar, bdf } from "../inspected-qemu.ts";
import { startMonitor, type Monitor } from "./monitor.ts";
import type { Shape, ShapedSlot } from "./shapes.ts";

/** Below what the guest's own page tables map, and clear of its low memory. */
const GUEST_BASE = 64n * BigInt(GIB);

export interface LaidShape {
  /** The address of the region's first byte. */
  readonly base: bigint;
  readonly monitor: Monitor;
  /** Where the device's memory for DMA is entered. */
  readonly dma: IoAddressSpace;
}

/** Maps the shape's areas of the BAR, and makes a virtual machine with its slots. */
export function layShape(
  t: { readonly after: (cleanup: () => void) => void },
  { host, areas, slots }: Pick<Shape, "host" | "areas" | "slots">,
): LaidShape {
  const transport = openVfioDevice(bdf, { api: "group" });
  t.after(() => transport.close());
  const { fd, fdOffset, size } = transport.regionInfo(bar);
  assert.ok(fd !== null);
  const room = size + 3 * GIB;
  const reservation = linux.mmap(0n, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  t.after(() => linux.munmap(reservation, room));
  const gigabyte = BigInt(GIB);
  const base = ((reservation + gigabyte - 1n) / gigabyte) * gigabyte + BigInt(host);
  for (const area of areas) {
    const at = base + BigInt(area.offset);
    linux.mmap(at, area.size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, fdOffset + area.offset);
    linux.madvise(at, area.size, MADV_HUGEPAGE);
  }
  const monitor = startMonitor();
  t.after(() => monitor.close());
  for (const [index, slot] of slots.entries()) {
    monitor.setSlot(index + 1, {
      guestAddress: guestAddressOf(slot),
      size: slot.size,
      hostAddress: base + BigInt(slot.offset),
      ...(slot.flags === undefined ? {} : { flags: slot.flags }),
    });
  }
  return { base, monitor, dma: transport.dma };
}

export function guestAddressOf({ guest }: ShapedSlot): bigint {
  return GUEST_BASE + BigInt(guest);
}
