/** Real mappings of this machine, made by this test: a liar's file, and the memory of a served device. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdirSync, mkdtempSync, openSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, createServer } from "node:net";
import { after, describe, it, type TestContext } from "node:test";
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

  it("finds the memory of a served device, and the socket by which its server gave it", async (t) => {
    const { path, file, pid, connectTo } = await startServer(t);
    const devices = (): (string | null)[] => {
      let found: (string | null)[] = [];
      whileMapped(file, 4 << 20, (address) => {
        const mappings = ownMappings();
        assert.deepEqual(
          mappings.map(({ kind, identity: { region, offset }, verdict }) => [kind, region, offset, verdict]),
          [["vfio-user", 3, 0, address % (2n << 20n) === 0n ? "huge" : "small"]],
        );
        found = mappings.map(({ identity }) => identity.device);
      });
      return found;
    };
    assert.deepEqual(devices(), [null], "who is not connected has it from elsewhere");

    const connection = connect(path);
    t.after(() => connection.destroy());
    await once(connection, "connect");
    const found = [`vfio-user:${path}`];
    assert.deepEqual(devices(), found);

    // A monitor of its own, as QEMU has one, and as long as its server is not connected to that.
    const monitor = createServer();
    const monitorPath = join(scratch, "monitor.sock");
    monitor.listen(monitorPath);
    t.after(() => monitor.close());
    await once(monitor, "listening");
    const other = connect(monitorPath);
    t.after(() => other.destroy());
    await once(other, "connect");
    assert.deepEqual(devices(), found);
    const accepted = once(monitor, "connection");
    connectTo(monitorPath);
    await accepted;
    assert.deepEqual(devices(), [null], `two ways to process ${pid}`);
  });
});

/** A process that listens on a socket and holds a memory file by the name that a served device's third region has. */
async function startServer(t: TestContext): Promise<{
  readonly path: string;
  /** Where the memory file can be opened. */
  readonly file: string;
  readonly pid: number;
  readonly connectTo: (path: string) => void;
}> {
  const path = join(scratch, "gpu.sock");
  const libc = new URL("../memory/libc.ts", import.meta.url).href;
  const program = `
    import { connect, createServer } from "node:net";
    import { linux } from ${JSON.stringify(libc)};
    const fd = linux.memfd_create("hugebar-device-3", 0);
    linux.ftruncate(fd, 4 << 20);
    process.on("message", (path) => connect(path));
    createServer().listen(${JSON.stringify(path)}, () => process.send(fd));`;
  const server = spawn(process.execPath, ["--input-type=module", "-e", program], {
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  t.after(() => server.kill());
  const message: unknown[] = await once(server, "message");
  const { pid = 0 } = server;
  return {
    path,
    file: `/proc/${pid}/fd/${String(message[0])}`,
    pid,
    connectTo: (to) => void server.send(to),
  };
}
