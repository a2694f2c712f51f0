/** Real mappings of this machine, made by this test: a liar's file, and the memory of a served device. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdirSync, mkdtempSync, openSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "node:net";
import { after, describe, it, type TestContext } from "node:test";
import { MAP_SHARED, PROT_READ } from "../system/constants.ts";
import { linux } from "../system/libc.ts";
import { inspectMachine, inspectScanned } from "./inspect.ts";
import { LIVE } from "./proc/machine.ts";
import type { ScannedProcess } from "./proc/scan-turns.ts";
import { parseVma } from "./proc/vma.ts";
import { A, GROUP, line, region } from "./told-rows.fixture.ts";

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
    const { path, otherPath, file, connectTo } = await startServer(t);
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
    await connectTo(otherPath);
    assert.deepEqual(devices(), [null], "who is connected elsewhere, too, be it to the same process");
    await connectTo(path);
    assert.deepEqual(devices(), [`vfio-user:${path}`]);
  });

  it("does not believe a name alone: whoever listens there must have the memory", async (t) => {
    const { path, connectTo } = await startServer(t);
    await connectTo(path);
    const fd = linux.memfd_create(`hugebar-device-3:${path}`, 0);
    t.after(() => linux.close(fd));
    linux.ftruncate(fd, 4 << 20);
    whileMapped(`/proc/self/fd/${fd}`, 4 << 20, () => {
      assert.deepEqual(
        ownMappings().map(({ identity }) => identity.device),
        [null],
      );
    });
  });
});

describe("a process that ends while it is read", () => {
  const scanned = (pid: number): ScannedProcess => {
    const vma = parseVma(line(A, 64n * 1024n, region(0), GROUP)) ?? assert.fail();
    return { pid, found: [{ vma, file: { kind: "vfio-group" } }] };
  };

  it("is no row, but of who asked for it", async () => {
    const child = spawn("true", { stdio: "ignore" });
    await once(child, "exit");
    const pid = child.pid ?? assert.fail();
    assert.deepEqual(inspectScanned(LIVE, [scanned(pid)], false).processes, []);
    const [asked] = inspectScanned(LIVE, [scanned(pid)], true).processes;
    assert.deepEqual([asked?.refused, asked?.mappings], ["gone", []]);
    assert.equal(inspectScanned(LIVE, [scanned(process.pid)], false).processes.length, 1);
  });
});

/** A process that listens at two sockets, and holds the memory of the third region of the device at the first. */
async function startServer(t: TestContext): Promise<{
  readonly path: string;
  readonly otherPath: string;
  /** Where the memory file can be opened. */
  readonly file: string;
  /** Comes back when the server has accepted: until then the kernel knows of no socket at the other end. */
  readonly connectTo: (socket: string) => Promise<void>;
}> {
  const folder = mkdtempSync(join(scratch, "server-"));
  const [path, otherPath] = [join(folder, "gpu.sock"), join(folder, "monitor.sock")];
  const libc = new URL("../system/libc.ts", import.meta.url).href;
  const program = `
    import { createServer } from "node:net";
    import { linux } from ${JSON.stringify(libc)};
    const fd = linux.memfd_create(${JSON.stringify(`hugebar-device-3:${path}`)}, 0);
    linux.ftruncate(fd, 4 << 20);
    const accepted = () => process.send("accepted");
    createServer(accepted).listen(${JSON.stringify(otherPath)}, () =>
      createServer(accepted).listen(${JSON.stringify(path)}, () => process.send(fd)));`;
  const server = spawn(process.execPath, ["--input-type=module", "-e", program], {
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  t.after(() => server.kill());
  const message: unknown[] = await Promise.race([once(server, "message"), once(server, "exit")]);
  const connectTo = async (socket: string): Promise<void> => {
    const accepted = once(server, "message");
    const connection = connect(socket);
    t.after(() => connection.destroy());
    await Promise.all([accepted, once(connection, "connect")]);
  };
  return { path, otherPath, file: `/proc/${server.pid}/fd/${String(message[0])}`, connectTo };
}
