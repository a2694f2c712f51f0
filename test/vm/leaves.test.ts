import { describe, it } from "node:test";

import { pciTestdev } from "./devices.ts";
import { runGuestTests } from "./guest-tests.ts";

describe("leaves under a BAR of 64 GiB", () => {
  for (const kernel of ["asking", "silent", "iommufd", "newest"] as const) {
    it(`on the kernel for ${kernel}`, async (t) => {
      await runGuestTests(t, {
        kernel,
        // The newest kernel has it by its page tables as well (page-tables.test.ts).
        tests: [
          "test/vm/guest/bed.guest.ts",
          "test/vm/guest/leaves.guest.ts",
          ...(kernel === "newest" ? [] : ["test/vm/guest/conform.guest.ts"]),
        ],
        devices: [pciTestdev(0x10, "64G")],
      });
    });
  }
});
