/** KVM in an emulated arm64 machine that starts at EL2: guests of our own over device memory. */

import { describe, it } from "node:test";

import { pciTestdev } from "../vm/devices.ts";
import { runGuestTests } from "../vm/guest-tests.ts";

/** QEMU adds it to the machine that there is. */
const virtualization = ["-machine", "virtualization=on"];

describe("the second stage on arm64", () => {
  for (const kernel of [
    "arm64-4k",
    "arm64-16k",
    "arm64-64k",
    "arm64-4k-newest",
    "arm64-16k-newest",
    "arm64-64k-newest",
  ] as const) {
    it(`is as predicted and as read, on the kernel for ${kernel}`, async (t) => {
      await runGuestTests(t, {
        kernel,
        tests: ["test/vm/guest/kvm.guest.ts"],
        devices: [pciTestdev(0x10, "4G"), virtualization],
      });
    });
  }
});
