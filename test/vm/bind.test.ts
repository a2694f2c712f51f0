import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";

import { igbBehindPort, nvmeDisk, pciTestdev, sharedNvmeDisk, virtioDisk, virtioNet } from "./devices.ts";
import { runGuestTests } from "./guest-tests.ts";

/** Enough for btrfs over two. */
const diskSize = 256 * 2 ** 20;

describe("hugebar bind against real disks and networks", () => {
  it("on the kernel for groups", async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "hugebar-disks-"));
    t.after(() => rmSync(folder, { recursive: true }));
    const disk = (slot: number): string => {
      const file = join(folder, String(slot));
      writeFileSync(file, "");
      truncateSync(file, diskSize);
      return file;
    };
    await runGuestTests(t, {
      kernel: "groups",
      tests: ["test/vm/guest/bind.guest.ts"],
      devices: [
        ...[0x02, 0x03, 0x05, 0x06, 0x09, 0x0a].map((slot) => nvmeDisk(slot, disk(slot))),
        ...[0x04, 0x07].map((slot) => virtioDisk(slot, disk(slot))),
        sharedNvmeDisk(0x08, disk(0x08)),
        virtioNet(0x0b),
        igbBehindPort(0x0c),
        pciTestdev(0x10, "64M"),
      ],
      storageTools: true,
      timeLimitSeconds: 1500,
    });
  });
});
