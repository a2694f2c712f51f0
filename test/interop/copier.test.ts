/**
 * A Linux guest in QEMU with a device that hugebar serves: `guest/copier.guest.ts` is what the guest does with it,
 * first as any program could, then by hugebar's own VFIO transports through the guest's IOMMU.
 */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";

import { SharedMemory } from "../../src/memory/shared-memory.ts";
import { runGuestTests } from "../vm/guest-tests.ts";
import { MEMORY_SIZE } from "./copier-registers.ts";
import { serveCopier } from "./copier.ts";

const pageSize = 4096;

describe("a device that hugebar serves to QEMU", () => {
  it("is driven by a guest", async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "hugebar-test-"));
    t.after(() => rmSync(folder, { recursive: true }));
    const memory = new SharedMemory(MEMORY_SIZE);
    memory.bytes(pageSize, 16).set(Buffer.from("from the host..."));
    const server = serveCopier(join(folder, "copier.sock"), memory);
    t.after(async () => {
      await server.close();
      memory.close();
    });
    const doomedSocket = join(folder, "doomed.sock");
    const doomed = spawn(process.execPath, [join(import.meta.dirname, "copier-process.ts"), doomedSocket], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    t.after(() => doomed.kill("SIGKILL"));
    await once(doomed.stdout, "data");

    const report = await runGuestTests(t, {
      kernel: "iommufd",
      tests: ["test/interop/guest/copier.guest.ts"],
      vfioUser: [server.path, doomedSocket],
      // Without a driver a device sees the guest's memory as it is.
      append: "iommu=pt",
    });
    if (report === null) return;
    t.diagnostic(`QEMU: ${report.messages.trimEnd()}`);
    assert.equal(Buffer.from(memory.bytes(2 * pageSize, 16)).toString(), "from the guest..");
    assert.deepEqual([...memory.bytes(MEMORY_SIZE - 4, 4)], [4, 3, 2, 1]);
    const complaints = report.messages.split("\n").filter((line) => line.includes(server.path));
    assert.deepEqual(complaints, []);
    assert.match(report.messages, /failed to read header: EOF/, "QEMU says that a device is gone");
    assert.equal(doomed.signalCode, "SIGKILL");
  });
});
