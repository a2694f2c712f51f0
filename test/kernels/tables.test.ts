/** Page tables, and guests of KVM, on a kernel that asks the setting of transparent huge pages about device memory. */

import { describe, it } from "node:test";

import { pciTestdev } from "../vm/devices.ts";
import { runGuestTests } from "../vm/guest-tests.ts";

describe("page tables on the kernel that asks", () => {
  it("are read of processes", async (t) => {
    await runGuestTests(t, {
      kernel: "asking-tables",
      tests: ["test/vm/guest/page-tables.guest.ts"],
      devices: [pciTestdev(0x10, "64G")],
    });
  });

  it("are read of guests, in every shape and under every setting", async (t) => {
    await runGuestTests(t, {
      kernel: "asking-tables",
      tests: [
        "test/vm/guest/kvm.guest.ts",
        "test/vm/guest/kvm-setting.guest.ts",
        "test/vm/guest/dma-steps.guest.ts",
      ],
      devices: [pciTestdev(0x10, "4G")],
      kvmGuest: true,
      memoryMebibytes: 3072,
    });
  });

  it("are read while machines and processes come and go", async (t) => {
    await runGuestTests(t, {
      kernel: "asking-tables",
      tests: ["test/vm/guest/tables-races.guest.ts"],
      devices: [pciTestdev(0x10, "4G")],
    });
  });
});
