import { describe, it } from "node:test";

import { pciTestdev } from "./devices.ts";
import { runGuestTests } from "./guest-tests.ts";

describe("guests of KVM over device memory", () => {
  for (const kernel of ["groups", "newest"] as const) {
    it(`on the kernel for ${kernel}`, async (t) => {
      await runGuestTests(t, {
        kernel,
        tests: ["test/vm/guest/kvm.guest.ts"],
        devices: [pciTestdev(0x10, "8G")],
        timeLimitSeconds: 900,
      });
    });
  }
});
