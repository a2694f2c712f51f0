/** Opening devices in the guest. */

import type { TestContext } from "node:test";

import { Device } from "../../../src/device/device.ts";
import type { Transport } from "../../../src/device/transport/transport.ts";
import { linux } from "../../../src/system/libc.ts";
import { SystemCallError, type System } from "../../../src/system/system.ts";
import type { VfioApi } from "../../../src/vfio/container.ts";
import { openVfioDevice, type VfioOptions } from "../../../src/vfio/open-device.ts";
import { kernelFacts } from "./kernel.ts";

/** What the kernel offers: `bed.guest.ts` sees that it does. */
export const apis: readonly VfioApi[] = kernelFacts.cdevs ? ["group", "cdev"] : ["group"];

/**
 * Opens a device that is bound to VFIO. It is closed after the test with its mappings: while one is left, no driver lets
 * go of the device, and nobody else can open it.
 */
export function openDevice(t: TestContext, bdf: string, api: VfioApi, system: System = linux): Device {
  return openWithTransport(t, bdf, { api, system }).device;
}

/** The same, with what is behind the device. */
export function openWithTransport(
  t: TestContext,
  bdf: string,
  options: VfioOptions,
): { device: Device; transport: Transport } {
  const transport = openVfioDevice(bdf, options);
  const device = new Device(transport, options.system ?? linux);
  t.after(() => device.close());
  return { device, transport };
}

/** A system that takes no advice, as for a program that gives none. */
export const withoutAdvice: System = {
  ...linux,
  madvise() {
    throw new SystemCallError("madvise", 22);
  },
};
