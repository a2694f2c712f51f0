import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";

import { runGuest } from "./guest.ts";
import { leftOut } from "./guest-tests.ts";
import { askMonitor } from "./monitor.ts";
import { interruptsInService } from "./standstill.ts";

describe("a guest whose processors stand still", () => {
  it("is seen, described, and booted once more", async (t) => {
    if (leftOut(t)) return;
    const { folder, path, first, second } = await listen(t);
    const monitor = join(folder, "own-monitor");
    const running = runGuest({
      kernel: "groups",
      tests: ["test/vm/guest/broken/waits.guest.ts"],
      devices: [
        ["-monitor", `unix:${monitor},server=on,wait=off`],
        ["-chardev", `socket,id=third,path=${path}`, "-serial", "chardev:third"],
      ],
    });
    // The first guest is halted in the middle of its test, the second is let go on.
    await said(await first);
    await askMonitor(monitor, ["stop"]);
    await said(await second);
    (await second).write("go on\n");

    const { problem, tests, standstills } = await running;
    assert.equal(problem, null);
    assert.deepEqual(
      tests.map(({ path, failure }) => ({ path, failure })),
      [{ path: ["waits for a word"], failure: null }],
    );
    const [file = "", ...others] = standstills;
    assert.deepEqual(others, []);
    const description = readFileSync(file, "utf8");
    rmSync(file);
    for (const part of [
      /^\d+ .*, \d+ context switches/,
      /^VM status: paused/m,
      /RIP=/,
      /dumping local APIC state/,
    ]) {
      assert.match(description, part);
    }
  });
});

describe("interruptsInService", () => {
  const lapic = (cpu: number, isr: string, irr: string): string =>
    `info lapic ${cpu}\ndumping local APIC state for CPU ${cpu} \n\nLVTT\t 0x000200ec active-hi edge\nISR\t ${isr}\nIRR\t ${irr}\n\n`;

  it("names those whose end was lost", () => {
    // As seen of a guest whose second processor took no more ticks.
    const seen = lapic(0, "(none)", "(none)") + lapic(1, "236 ", "33 236 ");
    assert.equal(interruptsInService(seen), "1: 236");
  });

  it("knows of none where one is just being handled, or waits its turn", () => {
    assert.equal(interruptsInService(lapic(0, "236 ", "(none)") + lapic(1, "(none)", "236 ")), null);
    assert.equal(interruptsInService("unknown command: 'info lapic 0'\n"), null);
  });
});

/** A socket for the guest's third serial port. */
async function listen(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), "hugebar-test-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "serial");
  const connections = [Promise.withResolvers<Socket>(), Promise.withResolvers<Socket>()] as const;
  let count = 0;
  const server = createServer((socket) => connections[count++]?.resolve(socket));
  t.after(() => server.close());
  server.listen(path);
  await once(server, "listening");
  return { folder, path, first: connections[0].promise, second: connections[1].promise };
}

async function said(socket: Socket): Promise<void> {
  await once(socket, "data");
}
