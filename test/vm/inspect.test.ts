import { describe, it } from "node:test";

import { pciTestdev } from "./devices.ts";
import { runGuestTests } from "./guest-tests.ts";

describe("inspect and trace", () => {
  it("of three real QEMUs on Debian's kernel", async (t) => {
    await runGuestTests(t, {
      kernel: "stock",
      tests: ["test/vm/guest/inspect.guest.ts"],
      devices: [pciTestdev(0x10, "64G")],
      qemus: ["7.2", "10.0", "11.1"],
      memoryMebibytes: 3072,
      timeLimitSeconds: 400,
    });
  });

  it("of two real QEMUs and the shape of a GB200", async (t) => {
    await runGuestTests(t, {
      kernel: "built",
      tests: ["test/vm/guest/inspect-areas.guest.ts"],
      devices: [pciTestdev(0x10, "256G")],
      qemus: ["10.0", "11.1"],
      memoryMebibytes: 3072,
      timeLimitSeconds: 200,
    });
  });
});
