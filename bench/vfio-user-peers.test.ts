/** The C peers are vfio-user programs that share no line with hugebar: what is measured with them must also work. */

import assert from "node:assert/strict";
import { after, afterEach, describe, it } from "node:test";
import { missingProgram } from "../test/missing-program.ts";
import { Device } from "../src/device/device.ts";
import { linux } from "../src/system/libc.ts";
import { connectVfioUser } from "../src/vfio-user/client/client.ts";
import { Peers } from "./peers.ts";

describe("vfio-user between hugebar and C", () => {
  const peers = new Peers();
  const skip = missingProgram(process.env["CC"] ?? "cc");
  afterEach(() => peers.stop());
  after(() => peers.close());

  it("hugebar's client reads what it wrote to a C server", { skip }, async () => {
    const socket = peers.socketPath();
    await peers.start("vfio-user-server", [socket]);
    const device = new Device(connectVfioUser(socket), linux);
    try {
      const bar = device.region(0).map();
      assert.deepEqual({ size: bar.region.size, areas: bar.areas.length }, { size: 1 << 20, areas: 0 });
      bar.write32(0x10, 0xdeadbeef);
      const block = Uint8Array.from({ length: 1 << 19 }, (_, index) => index * 7);
      bar.copyIn(1 << 19, block);
      const back = new Uint8Array(block.length);
      bar.copyOut(1 << 19, back);
      assert.equal(bar.read32(0x10), 0xdeadbeef);
      assert.deepEqual(back, block);
    } finally {
      device.close();
    }
  });

  it("hugebar's server serves C clients, one after another", { skip }, async () => {
    const socket = peers.socketPath();
    await peers.startOwn("serve-registers", [socket]);
    for (const [kind, bytes] of [
      ["read", 4],
      ["write", 1 << 20],
      ["read", 1 << 20],
    ] as const) {
      // The client ends at an answer that is not the one to its request.
      const client = await peers.start("vfio-user-client", [socket, kind, bytes]);
      assert.ok(client !== null);
      assert.ok((await client.sample(20)) > 0);
      await client.stop();
    }
  });

  for (const [who, start] of [
    ["hugebar's server", (socket: string) => peers.startOwn("serve-orders", [socket, process.execPath])],
    ["a C server", (socket: string) => peers.start("vfio-user-server", [socket, process.execPath])],
  ] as const) {
    it(`${who} raises an interrupt for each order of a C client`, { skip }, async () => {
      const socket = peers.socketPath();
      await start(socket);
      const client = await peers.start("vfio-user-client", [socket, "order", 4]);
      assert.ok(client !== null);
      // It ends where an order has not brought just one.
      assert.ok((await client.sample(200)) > 0);
      await client.stop();
    });
  }
});
