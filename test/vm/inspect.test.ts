import { describe, it } from "node:test";

import { pciTestdev } from "./devices.ts";
import { runGuestTests } from "./guest-tests.ts";
import { qemuRoles } from "./provision/qemu.ts";

describe("inspect and trace", () => {
  // What trace counts is the handler's, which is the same on all: it is tried on the newest kernel, and on the stable one below;
  // on the others in test/kernels.
  for (const kernel of ["asking", "silent", "newest"] as const) {
    it(`see three QEMUs hold a BAR on the kernel for ${kernel}`, async (t) => {
      await runGuestTests(t, {
        kernel,
        tests: [
          "test/vm/guest/qemu-leaves.guest.ts",
          "test/vm/guest/own-mappings.guest.ts",
          "test/vm/guest/thp-matrix.guest.ts",
          ...(kernel === "newest" ? ["test/vm/guest/trace.guest.ts"] : []),
        ],
        devices: [pciTestdev(0x10, "64G")],
        qemus: qemuRoles,
        memoryMebibytes: 3072,
      });
    });
  }

  it("see three QEMUs hold a BAR with an area of an odd size", async (t) => {
    await runGuestTests(t, {
      kernel: "iommufd",
      tests: ["test/vm/guest/qemu-shape.guest.ts", "test/vm/guest/trace.guest.ts"],
      devices: [pciTestdev(0x10, "256G")],
      qemus: qemuRoles,
      memoryMebibytes: 3072,
    });
  });
});
