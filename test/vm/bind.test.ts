import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";

import {
  igbBehindPort,
  nvmeDisk,
  pciTestdev,
  share,
  sharedNvmeDisk,
  usbKeyboard,
  virtioDisk,
  virtioNet,
  watchdog,
} from "./devices.ts";
import { runGuestTests } from "./guest-tests.ts";

/** Enough for btrfs over two. */
const diskSize = 256 * 2 ** 20;

/** A folder for the test's time, and empty disks in it. */
function diskFiles(t: TestContext): { folder: string; disk: (slot: number) => string } {
  const folder = mkdtempSync(join(tmpdir(), "hugebar-disks-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const disk = (slot: number): string => {
    const file = join(folder, String(slot));
    writeFileSync(file, "");
    truncateSync(file, diskSize);
    return file;
  };
  return { folder, disk };
}

describe("hugebar bind against real disks and networks", () => {
  it("on the kernel for groups", async (t) => {
    const { disk } = diskFiles(t);
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

  it("on the same kernel, for what is used without being mounted or opened", async (t) => {
    const { folder, disk } = diskFiles(t);
    await runGuestTests(t, {
      kernel: "groups",
      tests: ["test/vm/guest/bind-unseen.guest.ts"],
      devices: [
        ...[0x02, 0x03].map((slot) => nvmeDisk(slot, disk(slot))),
        virtioDisk(0x04, disk(0x04)),
        share(0x05, folder, "share"),
        watchdog(0x06),
        usbKeyboard(0x07),
      ],
      storageTools: true,
      timeLimitSeconds: 900,
    });
  });
});
