/** Three releases of QEMU, nobody here's work, hold a device; how each aligns what it maps is what it is known for. */

import assert from "node:assert/strict";
import { before, describe, it } from "node:test";

import { bindTo } from "./pci.ts";
import { guestQemus, holdWithQemu, mappingsOf, vfioMapping } from "./qemu.ts";

const bdf = "0000:00:10.0";
const barSize = 64n << 30n;

describe("a 64 GiB BAR held by QEMU", () => {
  before(() => {
    bindTo(bdf);
  });

  for (const role of guestQemus) {
    it(role, async (t) => {
      const qemu = await holdWithQemu(role, bdf);
      t.after(() => qemu.stop());
      const starts = mappingsOf(qemu.pid)
        .filter((line) => vfioMapping.test(line))
        .map((line) => (line.split(" ")[0] ?? "").split("-").map((text) => BigInt(`0x${text}`)))
        .flatMap(([start = 0n, end = 0n]) => (end - start === barSize ? [start] : []));
      assert.equal(starts.length, 1);
      t.diagnostic(`QEMU (${role}): 0x${starts[0]?.toString(16)}`);
      if (role !== "unaligned") assert.equal((starts[0] ?? 1n) % (1n << 30n), 0n);
    });
  }
});
