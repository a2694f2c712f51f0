/** The guests of test/vm on arm64, whose kernels have pages of 4, 16 or 64 KiB. */

import { describe, it } from "node:test";

import { edu, eduWithNvme, pciTestdev } from "../vm/devices.ts";
import { runGuestTests } from "../vm/guest-tests.ts";

describe("arm64", () => {
  for (const kernel of ["arm64-4k", "arm64-16k", "arm64-4k-newest", "arm64-16k-newest"] as const) {
    it(`has the leaves that are predicted, on the kernel for ${kernel}`, async (t) => {
      await runGuestTests(t, {
        kernel,
        tests: [
          "test/vm/guest/leaves.guest.ts",
          "test/vm/guest/page-tables.guest.ts",
          "test/vm/guest/conform.guest.ts",
        ],
        devices: [pciTestdev(0x10, "64G")],
      });
    });
  }

  it("has them on the kernel for arm64-64k, and all else that x86-64 has", async (t) => {
    await runGuestTests(t, {
      kernel: "arm64-64k",
      tests: [
        "test/vm/guest/leaves.guest.ts",
        "test/vm/guest/conform.guest.ts",
        "test/vm/guest/own-mappings.guest.ts",
        "test/vm/guest/trace.guest.ts",
        "test/vm/guest/bed.guest.ts",
      ],
      devices: [pciTestdev(0x10, "64G")],
    });
  });

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
