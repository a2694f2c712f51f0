import { describe, it } from "node:test";

import { pciTestdev } from "./devices.ts";
import { runGuestTests } from "./guest-tests.ts";
import { qemuRoles } from "./provision/qemu.ts";

describe("QEMUs inside a guest", () => {
  it("hold a device by vfio-pci", async (t) => {
    await runGuestTests(t, {
      kernel: "groups",
      tests: ["test/vm/guest/qemu.guest.ts"],
      devices: [pciTestdev(0x10, "64G")],
      qemus: qemuRoles,
      memoryMebibytes: 3072,
    });
  });
});
