import { describe, it } from "node:test";

import { pciTestdev } from "./devices.ts";
import { runGuestTests } from "./guest-tests.ts";
import { qemuRoles } from "./provision/qemu.ts";

describe("guests of KVM over device memory", () => {
  for (const kernel of ["groups", "newest"] as const) {
    it(`on the kernel for ${kernel}`, async (t) => {
      await runGuestTests(t, {
        kernel,
        tests: [
          "test/vm/guest/kvm.guest.ts",
          "test/vm/guest/kvm-setting.guest.ts",
          "test/vm/guest/kvm-qemu.guest.ts",
          "test/vm/guest/dma-steps.guest.ts",
        ],
        devices: [pciTestdev(0x10, "4G")],
        qemus: qemuRoles,
        kvmGuest: true,
        memoryMebibytes: 3072,
      });
    });
  }

  it("come and go while their page tables are read", async (t) => {
    await runGuestTests(t, {
      kernel: "newest",
      tests: ["test/vm/guest/tables-races.guest.ts"],
      devices: [pciTestdev(0x10, "4G")],
    });
  });
});
