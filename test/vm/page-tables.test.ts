import { describe, it } from "node:test";

import { pciTestdev } from "./devices.ts";
import { runGuestTests } from "./guest-tests.ts";

describe("page tables", () => {
  for (const kernel of ["groups", "newest"] as const) {
    it(`on the kernel for ${kernel}`, async (t) => {
      await runGuestTests(t, {
        kernel,
        tests: [
          "test/vm/guest/bed.guest.ts",
          "test/vm/guest/page-tables.guest.ts",
          "test/vm/guest/conform.guest.ts",
        ],
        devices: [pciTestdev(0x10, "64G")],
        timeLimitSeconds: 600,
      });
    });
  }
});
