import { describe, it } from "node:test";

import { runDeviceTests } from "./device-tests.ts";

describe("devices of the kernel's VFIO", () => {
  for (const kernel of ["groups", "iommufd", "newest"] as const) {
    it(`on the kernel for ${kernel}`, async (t) => {
      await runDeviceTests(t, kernel);
    });
  }
});
