/** The guests' tests of devices: QEMU's of every kind, one of which is a file of the host's. */

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";

import {
  e1000e,
  e1000sBehindBridge,
  eduPair,
  igbBehindPort,
  ivshmemPlain,
  nvme,
  pciTestdev,
} from "./devices.ts";
import { runGuestTests } from "./guest-tests.ts";
import type { KernelRole } from "./provision/roles.ts";
import { bytesAt, FROM_GUEST, FROM_HOST, SHARED_SIZE } from "./shared-memory.ts";

export async function runDeviceTests(t: TestContext, kernel: KernelRole): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "hugebar-shared-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "memory");
  const memory = new Uint8Array(SHARED_SIZE);
  memory.set(bytesAt(FROM_HOST), FROM_HOST.offset);
  writeFileSync(file, memory);
  const report = await runGuestTests(t, {
    kernel,
    tests: [
      "test/vm/guest/shared-memory.guest.ts",
      "test/vm/guest/registers.guest.ts",
      "test/vm/guest/fatal.guest.ts",
      "test/vm/guest/dma-buf.guest.ts",
      "test/vm/guest/functions.guest.ts",
    ],
    devices: [
      pciTestdev(0x10, "64G"),
      ivshmemPlain(0x11, file, SHARED_SIZE),
      nvme(0x12),
      e1000e(0x13),
      eduPair(0x14),
      igbBehindPort(0x16),
      ...(kernel.startsWith("arm64") ? [] : [e1000sBehindBridge(0x17)]),
    ],
  });
  if (report === null) return;
  const found = new Uint8Array(readFileSync(file));
  for (const [name, { offset, size }] of Object.entries(FROM_GUEST)) {
    assert.deepEqual(found.subarray(offset, offset + size), bytesAt({ offset, size }), name);
  }
}
