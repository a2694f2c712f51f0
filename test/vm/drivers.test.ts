import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";

import { edu, eduPair, nvme } from "./devices.ts";
import { DISK_SIZE, diskBytes } from "./disk-image.ts";
import { runGuestTests } from "./guest-tests.ts";

describe("the drivers of examples/", () => {
  it("and containers drive QEMU's devices by both of the kernel's APIs", async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "hugebar-disk-"));
    t.after(() => rmSync(folder, { recursive: true }));
    const image = join(folder, "image");
    writeFileSync(image, diskBytes(0, DISK_SIZE));
    await runGuestTests(t, {
      kernel: "iommufd",
      tests: ["test/vm/guest/containers.guest.ts", "test/vm/guest/drivers.guest.ts"],
      devices: [nvme(0x12, image), edu(0x14), eduPair(0x15)],
      timeLimitSeconds: 1800,
    });
  });
});
