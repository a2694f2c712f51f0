import { describe, it } from "node:test";

import { eduWithNvme, pciTestdev } from "./devices.ts";
import { runGuestTests } from "./guest-tests.ts";

describe("holding devices", () => {
  // The newest kernel differs in nothing of this; one has cdevs, the other drivers that stand in the way.
  for (const kernel of ["groups", "iommufd"] as const) {
    it(`on the kernel for ${kernel}`, async (t) => {
      await runGuestTests(t, {
        kernel,
        tests: ["test/vm/guest/holding.guest.ts"],
        devices: [pciTestdev(0x10, "64G"), eduWithNvme(0x14)],
      });
    });
  }

  it("is not possible without an IOMMU", async (t) => {
    await runGuestTests(t, {
      kernel: "iommufd",
      tests: ["test/vm/guest/no-iommu.guest.ts"],
      devices: [pciTestdev(0x10, "64G")],
      append: "intel_iommu=off",
    });
  });
});
