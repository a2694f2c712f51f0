/** What inspecting a process tells of devices that it maps over vfio-user, all of them served by one other process. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it, type TestContext } from "node:test";
import { inspectMachine } from "./inspect/inspect.ts";
import { LIVE } from "./inspect/proc/machine.ts";
import { recordMachine } from "./inspect/record.ts";
import { openDevice } from "./open.ts";

const folder = mkdtempSync(join(tmpdir(), "hugebar-served-"));
after(() => {
  rmSync(folder, { recursive: true });
});

/** Serves a device at each of these sockets from one process, until the end of the test; the first has memory of its own. */
async function serve(t: TestContext, sockets: readonly string[]): Promise<void> {
  const program = `
    import { serveDevice, SharedMemory } from ${JSON.stringify(new URL("./index.ts", import.meta.url).href)};
    const [first, ...rest] = ${JSON.stringify(sockets)};
    const memory = new SharedMemory(4 << 20, "hugebar-device-2:" + process.cwd() + "/" + first);
    serveDevice({ regions: [{ index: 2, memory }] }, { socket: first });
    const regions = [{ index: 2, size: 4 << 20, memory: "sparse" }];
    for (const socket of rest) serveDevice({ regions }, { socket });
    process.send("ready");`;
  const server = spawn(process.execPath, ["--input-type=module", "-e", program], {
    stdio: ["ignore", "ignore", "inherit", "ipc"],
    cwd: folder,
  });
  t.after(() => server.kill());
  const said: unknown[] = await Promise.race([once(server, "message"), once(server, "exit")]);
  assert.equal(said[0], "ready");
}

describe("a process that maps devices of one server", () => {
  it("has each named by its socket, live and recorded, by full paths", async (t) => {
    const paths = ["gpu 0.sock", "gpu1.sock", "nic.sock"].map((name) => join(folder, name));
    await serve(t, ["gpu 0.sock", "gpu1.sock", ...paths.slice(2)]);
    const addresses = paths.map((path) => {
      const device = openDevice(`vfio-user:${path}`);
      t.after(() => device.close());
      return device.region(2).map().areas[0]?.address;
    });
    const found = (roots: typeof LIVE): (string | null)[] => {
      const [{ mappings } = assert.fail()] = inspectMachine(roots, [process.pid]).processes;
      return addresses.map((address) => {
        const mapping = mappings.find(({ vmas }) => vmas.some(({ start }) => start === address));
        return mapping?.identity.device ?? null;
      });
    };
    const names = paths.map((path) => `vfio-user:${path}`);
    assert.deepEqual(found(LIVE), names);
    const copy = join(folder, "copy");
    recordMachine(LIVE, copy);
    assert.deepEqual(found({ proc: join(copy, "proc"), sys: join(copy, "sys") }), names);
  });
});
