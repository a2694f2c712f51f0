/** Opening devices in the guest. */

import type { TestContext } from "node:test";

import { Device } from "../../../src/device/device.ts";
import { linux } from "../../../src/memory/libc.ts";
import { SystemCallError, type System } from "../../../src/memory/system.ts";
import type { VfioApi } from "../../../src/vfio/container.ts";
import { openVfioDevice } from "../../../src/vfio/open-device.ts";

/** What the kernel offers: `bed.guest.ts` sees that it does. */
export const apis: readonly VfioApi[] =
  process.env["GUEST_KERNEL"] === "built" ? ["group", "cdev"] : ["group"];

/** Opens a device that is bound to VFIO; it is closed after the test, for while it is open no driver lets go of it. */
export function openDevice(t: TestContext, bdf: string, api: VfioApi, system: System = linux): Device {
  const device = new Device(openVfioDevice(bdf, { api, system }), system);
  t.after(() => device.close());
  return device;
}

/** A system that takes no advice, as for a program that gives none. */
export const withoutAdvice: System = {
  ...linux,
  madvise() {
    throw new SystemCallError("madvise", 22);
  },
};
