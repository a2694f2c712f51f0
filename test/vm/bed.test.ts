import { describe, it } from "node:test";

import { pciTestdev } from "./devices.ts";
import { runGuestTests } from "./guest-tests.ts";

describe("the test bed", () => {
  for (const kernel of ["groups", "iommufd", "asking", "silent", "newest"] as const) {
    it(`on the kernel for ${kernel}`, async (t) => {
      await runGuestTests(t, {
        kernel,
        tests: ["test/vm/guest/bed.guest.ts"],
        devices: [pciTestdev(0x10, "64G")],
      });
    });
  }
});
