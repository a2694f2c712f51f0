/** The guests of test/vm on arm64, whose kernels have pages of 4, 16 or 64 KiB. */

import { describe, it } from "node:test";

import { runDeviceTests } from "../vm/device-tests.ts";
import { edu, eduWithNvme, pciTestdev } from "../vm/devices.ts";
import { runGuestTests } from "../vm/guest-tests.ts";
import { qemuRoles } from "../vm/provision/qemu.ts";

/** What each of these kernels is tried with. */
const leaves = [
  "test/vm/guest/leaves.guest.ts",
  "test/vm/guest/page-tables.guest.ts",
  "test/vm/guest/conform.guest.ts",
];

describe("arm64", () => {
  for (const kernel of ["arm64-4k", "arm64-16k", "arm64-4k-newest", "arm64-16k-newest"] as const) {
    it(`has the leaves that are predicted, on the kernel for ${kernel}`, async (t) => {
      await runGuestTests(t, {
        kernel,
        tests: leaves,
        devices: [pciTestdev(0x10, "64G")],
      });
    });
  }

  for (const kernel of ["arm64-64k", "arm64-64k-newest"] as const) {
    it(`has them on the kernel for ${kernel}, and all else that x86-64 has`, async (t) => {
      await runGuestTests(t, {
        kernel,
        tests: [
          ...leaves,
          "test/vm/guest/own-mappings.guest.ts",
          "test/vm/guest/trace.guest.ts",
          "test/vm/guest/bed.guest.ts",
        ],
        devices: [pciTestdev(0x10, "64G")],
      });
    });

    it(`drives devices on the kernel for ${kernel}`, async (t) => {
      await runDeviceTests(t, kernel);
    });

    it(`has QEMUs looked at on the kernel for ${kernel}`, async (t) => {
      await runGuestTests(t, {
        kernel,
        tests: ["test/vm/guest/qemu.guest.ts", "test/vm/guest/qemu-leaves.guest.ts"],
        devices: [pciTestdev(0x10, "64G")],
        qemus: qemuRoles,
        memoryMebibytes: 3072,
        timeLimitSeconds: 1800,
      });
    });

    it(`has QEMUs with the GB200's area looked at on the kernel for ${kernel}`, async (t) => {
      await runGuestTests(t, {
        kernel,
        tests: ["test/vm/guest/qemu-shape.guest.ts"],
        devices: [pciTestdev(0x10, "256G")],
        qemus: qemuRoles,
        memoryMebibytes: 3072,
        timeLimitSeconds: 1800,
      });
    });
  }

  it("takes the GB200's area in 376 × 512 MiB and 240 × 64 KiB", async (t) => {
    await runGuestTests(t, {
      kernel: "arm64-64k",
      tests: ["test/vm/guest/driver.guest.ts"],
      devices: [pciTestdev(0x10, "256G")],
    });
  });

  it("is held, and let go of", async (t) => {
    await runGuestTests(t, {
      kernel: "arm64-64k",
      tests: ["test/vm/guest/holding.guest.ts"],
      devices: [pciTestdev(0x10, "64G"), eduWithNvme(0x14)],
    });
  });

  it("is the origin's machine, with its two lines and what they cost", async (t) => {
    await runGuestTests(t, {
      kernel: "arm64-64k",
      tests: ["test/vm/guest/origin.guest.ts"],
      devices: [pciTestdev(0x10, "256G"), edu(0x14)],
      qemus: ["area-aligned", "region-aligned"],
      memoryMebibytes: 3072,
      timeLimitSeconds: 1800,
    });
  });
});
