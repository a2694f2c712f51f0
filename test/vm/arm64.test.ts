import { describe, it } from "node:test";

import { pciTestdev } from "./devices.ts";
import { runGuestTests } from "./guest-tests.ts";

describe("arm64", () => {
  // With pages of 16 KiB, which need no kernel of ours; all else is in the long matrix (test/kernels/arm64.test.ts).
  it("has the leaves that are predicted under a BAR of 64 GiB", async (t) => {
    await runGuestTests(t, {
      kernel: "arm64-16k",
      tests: ["test/vm/guest/leaves.guest.ts"],
      devices: [pciTestdev(0x10, "64G")],
    });
  });
});
