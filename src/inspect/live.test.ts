/** Real mappings of this machine, made by this test: a liar's file, and the memory of a served device. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { closeSync, mkdirSync, mkdtempSync, openSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { MAP_SHARED, PROT_READ } from "../memory/constants.ts";
import { linux } from "../memory/libc.ts";
import { inspectMachine } from "./inspect.ts";
import { LIVE } from "./machine.ts";

const scratch = mkdtempSync(join(tmpdir(), "hugebar-live-"));
after(() => {
  rmSync(scratch, { recursive: true });
});

/** Runs `look` while this process has the file mapped. */
function whileMapped(path: string, size: number, look: (address: bigint) => void): void {
  const fd = openSync(path, "r");
  const address = linux.mmap(0n, size, PROT_READ, MAP_SHARED, fd, 0);
  closeSync(fd);
  try {
    look(address);
  } finally {
    linux.munmap(address, size);
  }
}

function ownMappings() {
  const [own] = inspectMachine(LIVE, [process.pid]).processes;
  assert.equal(own?.refused, null);
  return own.mappings;
}

/** Whether the kernel shows us what is behind a mapping (CAP_CHECKPOINT_RESTORE). */
function seesMappedFiles(): boolean {
  try {
    return readdirSync("/proc/self/map_files").length > 0;
  } catch {
    return false;
  }
}

describe("inspectMachine, live", () => {
  it("sees through a file that only bears a device's name, where the kernel shows which file it is", () => {
    const [device = "0000:00:00.0"] = readdirSync("/sys/bus/pci/devices");
    const folder = join(scratch, device);
    mkdirSync(folder);
    const path = join(folder, "resource");
    writeFileSync(`${path}0`, "x".repeat(8192));
    whileMapped(`${path}0`, 8192, () => {
      assert.deepEqual(
        ownMappings().map(({ identity }) => identity.device),
        seesMappedFiles() ? [] : [device],
      );
    });
  });

  it("finds the memory of a served device, and the socket of its server", async () => {
    const socket = join(scratch, "gpu.sock");
    const server = spawn(
      process.execPath,
      [
        "--input-type=module",
        "-e",
        `import { createServer } from "node:net";
         import { linux } from ${JSON.stringify(new URL("../memory/libc.ts", import.meta.url).href)};
         const fd = linux.memfd_create("hugebar-device", 0);
         linux.ftruncate(fd, 4 << 20);
         createServer().listen(${JSON.stringify(socket)}, () => console.log(fd));`,
      ],
      { stdio: ["ignore", "pipe", "inherit"] },
    );
    try {
      const fd = await new Promise<string>((resolve) => {
        server.stdout.once("data", (data: Buffer) => {
          resolve(data.toString().trim());
        });
      });
      whileMapped(`/proc/${server.pid}/fd/${fd}`, 4 << 20, (address) => {
        const [mapping, ...others] = ownMappings();
        assert.equal(others.length, 0);
        assert.equal(mapping?.identity.device, `vfio-user:${socket}`);
        assert.equal(mapping.kind, "vfio-user");
        const isAligned = address % (2n << 20n) === 0n;
        assert.equal(mapping.verdict === "huge", isAligned);
      });
    } finally {
      server.kill();
    }
  });
});
