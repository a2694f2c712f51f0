/** What `hugebar inspect` says of a QEMU that has a served device, live and from a recording. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";

import { inspectMachine } from "../../src/inspect/inspect.ts";
import { inspectionJson } from "../../src/inspect/inspection-json.ts";
import { LIVE } from "../../src/inspect/proc/machine.ts";
import { recordMachine } from "../../src/inspect/record.ts";
import { vfioUserPci } from "../vm/devices.ts";
import { lacksQemu } from "../vm/guest-tests.ts";
import { repository } from "../vm/provision/cache.ts";
import { startPausedQemu } from "./paused-qemu.ts";

/** In milliseconds, for when one of them hangs; provisioning QEMU takes a minute. */
const timeout = 300_000;

describe("hugebar inspect, of QEMU and served devices", () => {
  it("tells each device by its socket, live and recorded", { timeout }, async (t) => {
    if (await lacksQemu(t, "region-aligned")) return;
    const folder = mkdtempSync(join(tmpdir(), "hugebar-test-"));
    t.after(() => rmSync(folder, { recursive: true }));
    const sockets = ["one", "two"].map((name) => join(folder, `${name}.sock`));
    for (const socket of sockets) await serve(t, socket);
    // QEMU listens itself, and somebody is connected to it.
    const monitor = join(folder, "monitor.sock");
    const qemu = startPausedQemu([
      ...sockets.map((socket) => vfioUserPci(socket)),
      ["-monitor", `unix:${monitor},server=on,wait=off`],
    ]);
    t.after(() => qemu.end("SIGKILL"));
    await qemu.attached();
    const client = connect(monitor);
    t.after(() => client.destroy());

    const live = inspectMachine(LIVE, [qemu.pid]);
    const rows = live.processes.flatMap(({ mappings }) => mappings);
    assert.deepEqual(
      rows.map(({ identity }) => `${identity.device} region ${identity.region}`).sort(),
      sockets.map((socket) => `vfio-user:${socket} region 2`),
      "both devices, and not the guest's memory, which QEMU shares with them",
    );
    for (const { verdict, now, reasons } of rows) {
      assert.deepEqual([verdict, now?.faults, reasons], ["huge", 188 + 7 + 256, []]);
    }

    const recording = join(folder, "recording");
    recordMachine(LIVE, recording);
    const roots = { proc: join(recording, "proc"), sys: join(recording, "sys") };
    const recorded = { ...inspectMachine(roots, [qemu.pid]), time: live.time };
    assert.deepEqual(inspectionJson(recorded), inspectionJson(live));
    await qemu.end();
  });
});

/** Serves a device of the shape of a GB200's memory from a process of its own. */
async function serve(t: TestContext, socket: string): Promise<void> {
  const words = ["serve", "--socket", socket, "--region", "2:256G", "--area", "2:0:0x2f00f00000"];
  const child = spawn(process.execPath, [join(repository, "src/cli/main.ts"), ...words], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  t.after(() => child.kill("SIGKILL"));
  const said: unknown[] = await Promise.race([once(child.stderr, "data"), once(child, "exit")]);
  assert.match(String(said[0]), /^hugebar: listening/);
}
