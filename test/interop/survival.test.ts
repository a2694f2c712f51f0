/** What QEMU and hugebar's server are left with when the other one goes away, and whether they meet again. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";

import { deviceFileOf } from "../../src/inspect/proc/device-file.ts";
import { lacksQemu } from "../vm/guest-tests.ts";
import { repository } from "../vm/provision/cache.ts";
import { readVmas } from "./geometry.ts";
import { type PausedQemu, startPausedQemu } from "./paused-qemu.ts";
import { until } from "./until.ts";

/** In milliseconds, for when one of them hangs; provisioning QEMU takes a minute. */
const timeout = 300_000;

describe("what hugebar serve serves to QEMU", () => {
  it("is taken out and put back", { timeout }, async (t) => {
    if (await lacksQemu(t, "region-aligned")) return;
    const { socket } = await startDevice(t);
    const qemu = await startWithSlot(t);
    const before = socketsAndFiles(qemu.pid);
    for (const _ of [1, 2, 3]) {
      await plugIn(qemu, socket);
      assert.equal(mappedAreas(qemu.pid), 1);
      await takeOut(qemu);
      // QEMU takes its leave of a device's memory in its own time (RCU), after it has said that the device is gone.
      await until("QEMU to unmap the areas", () => mappedAreas(qemu.pid) === 0);
      await until("QEMU to close what it had of the device", () => socketsAndFiles(qemu.pid) === before);
    }
    assert.equal(qemu.messages(), "");
    await qemu.end();
  });

  it("outlives QEMU, and gives back all that it had of it", { timeout }, async (t) => {
    if (await lacksQemu(t, "region-aligned")) return;
    const device = await startDevice(t);
    const { socket, pid } = device;
    const before = socketsAndFiles(pid);
    for (const ending of ["SIGKILL", "SIGTERM"] as const) {
      const qemu = await startWithSlot(t);
      await plugIn(qemu, socket);
      assert.ok(socketsAndFiles(pid) > before);
      assert.notDeepEqual(mappedMemory(pid), []);
      await qemu.end(ending);
      await until("the end of the connection", () => socketsAndFiles(pid) === before);
      await until("the server to unmap QEMU's memory", () => mappedMemory(pid).length === 0);
    }
    const visits = "hugebar: a client has connected\nhugebar: the client has left\n".repeat(2);
    const said = (): string => device.messages().replace(/^hugebar: listening [^\n]*\n/, "");
    await until("the server's words about it", () => said().length >= visits.length);
    assert.equal(said(), visits);
  });

  it("dies, is missed, and comes back", { timeout }, async (t) => {
    if (await lacksQemu(t, "region-aligned")) return;
    const first = await startDevice(t);
    const qemu = await startWithSlot(t);
    await plugIn(qemu, first.socket);
    await first.end("SIGKILL");
    await until("QEMU's message", () => qemu.messages().includes("failed to read header: EOF"));
    // What QEMU has mapped is its own.
    assert.equal(mappedAreas(qemu.pid), 1);
    await takeOut(qemu);
    await until("QEMU to unmap the areas", () => mappedAreas(qemu.pid) === 0);

    await assert.rejects(plugIn(qemu, first.socket), /Failed to connect to/);
    const second = await startDevice(t, first.socket);
    await plugIn(qemu, second.socket);
    assert.equal(mappedAreas(qemu.pid), 1);
    await qemu.end();
  });
});

interface DeviceProcess {
  readonly socket: string;
  readonly pid: number;
  /** What it has written. */
  messages(): string;
  end(signal: NodeJS.Signals): Promise<void>;
}

/** Starts `hugebar serve` at `socket`, or wherever it likes. */
async function startDevice(t: TestContext, socket = newSocket(t)): Promise<DeviceProcess> {
  const tool = join(repository, "src/cli/main.ts");
  const child = spawn(process.execPath, [tool, "serve", "--socket", socket, "--region", "2:16M"]);
  const ended = once(child, "exit");
  t.after(() => child.kill("SIGKILL"));
  let messages = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      messages += text;
    });
  }
  await until("the device", () => messages.endsWith("\n"));
  assert.equal(messages, `hugebar: listening at vfio-user:${socket} with region 2 of 16 MiB\n`);
  return {
    socket,
    pid: child.pid ?? 0,
    messages: () => messages,
    async end(signal) {
      child.kill(signal);
      await ended;
    },
  };
}

function newSocket(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "hugebar-test-"));
  t.after(() => rmSync(folder, { recursive: true }));
  return join(folder, "device.sock");
}

/** A QEMU without devices, and with a slot that takes them while it is paused: no guest is asked. */
async function startWithSlot(t: TestContext): Promise<PausedQemu> {
  const qemu = startPausedQemu([
    ["-device", "pcie-root-port,id=root-port,chassis=1"],
    ["-global", "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off"],
  ]);
  t.after(() => qemu.end("SIGKILL"));
  await qemu.attached();
  return qemu;
}

async function plugIn({ qmp }: PausedQemu, socket: string): Promise<void> {
  const device = { driver: "vfio-user-pci", id: "device", bus: "root-port" };
  await qmp.execute("device_add", { ...device, socket: { type: "unix", path: socket } });
}

async function takeOut({ qmp }: PausedQemu): Promise<void> {
  const deleted = (): number => qmp.events.filter(({ event }) => event === "DEVICE_DELETED").length;
  const before = deleted();
  await qmp.execute("device_del", { id: "device" });
  await until("DEVICE_DELETED", () => deleted() > before);
}

/** How many areas of served devices a process has mapped, as `hugebar inspect` sees them. */
function mappedAreas(pid: number): number {
  return readVmas(pid).filter((vma) => deviceFileOf(vma)?.kind === "vfio-user").length;
}

/** The mappings that a device has of its client's memory. */
function mappedMemory(pid: number): string[] {
  return readVmas(pid).flatMap(({ path }) => (path.startsWith("/memfd:memory-backend") ? [path] : []));
}

/** How many descriptors of what comes and goes with a client the process has: a runtime has others of its own. */
function socketsAndFiles(pid: number): number {
  const folder = `/proc/${pid}/fd`;
  return readdirSync(folder).filter((fd) => /^socket:|^\/memfd:/.test(targetOf(join(folder, fd)))).length;
}

/** What a descriptor stands for; nothing, if it has been closed meanwhile. */
function targetOf(descriptor: string): string {
  try {
    return readlinkSync(descriptor);
  } catch {
    return "";
  }
}
