/** What hugebar trace counts on the kernels that test/vm/inspect.test.ts leaves out. */

import { describe, it } from "node:test";

import { pciTestdev } from "../vm/devices.ts";
import { runGuestTests } from "../vm/guest-tests.ts";

describe("hugebar trace", () => {
  for (const kernel of ["asking", "silent"] as const) {
    it(`counts what the handler does on the kernel for ${kernel}`, async (t) => {
      await runGuestTests(t, {
        kernel,
        tests: ["test/vm/guest/trace.guest.ts"],
        devices: [pciTestdev(0x10, "64G")],
      });
    });
  }
});
