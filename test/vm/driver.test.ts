import { describe, it } from "node:test";

import { pciTestdev } from "./devices.ts";
import { runGuestTests } from "./guest-tests.ts";

describe("the test driver", () => {
  it("offers a BAR with several areas", async (t) => {
    await runGuestTests(t, {
      kernel: "iommufd",
      tests: ["test/vm/guest/driver.guest.ts"],
      devices: [pciTestdev(0x10, "256G")],
    });
  });
});
