/** What a handler holds belongs to one client, and the next one gets nothing of it. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { SharedMemory } from "../../memory/shared-memory.ts";
import { VFIO_PCI_MSIX_IRQ_INDEX, VFIO_IRQ_SET } from "../../device/transport/vfio-abi.ts";
import { EFD_CLOEXEC, POLLIN } from "../../system/constants.ts";
import { linux } from "../../system/libc.ts";
import { VFIO_USER_DEVICE_SET_IRQS, VFIO_USER_VERSION } from "../wire/protocol.ts";
import { versionPayload } from "../wire/raw-peer.fixture.ts";
import { ownThread } from "./own-thread.fixture.ts";
import type { DeviceClient } from "./parts/device-client.ts";

const { errors, start, connect, negotiate, pair } = ownThread();
const pci = {
  vendor: 1,
  device: 2,
  capabilities: [{ type: "msix", vectors: 1, table: { bar: 0, offset: 0 }, pba: { bar: 0, offset: 2048 } }],
} as const;
const regions = [{ index: 0, size: 4096 }];

describe("what is held of a client", () => {
  it("is good until the client is gone: then it throws, and the next client gets nothing of it", async () => {
    const server = start({ pci, regions });
    const [peer, client] = await pair();
    const irq = client.irq("msix", 0);
    let aborted = false;
    client.signal.addEventListener("abort", () => (aborted = true));
    peer.close();
    const next = await negotiate();
    assert.ok(aborted);
    assert.ok(server.client !== null && server.client !== client);

    const memory = new SharedMemory(4096);
    const eventfd = linux.eventfd(0, EFD_CLOEXEC);
    await next.map(0, 1, memory.fd);
    const request = { argsz: 20, flags: 0x24, index: VFIO_PCI_MSIX_IRQ_INDEX, start: 0, count: 1 };
    assert.equal(
      (await next.ask(VFIO_USER_DEVICE_SET_IRQS, VFIO_IRQ_SET.encode(request), [eventfd])).errno,
      0,
    );

    const gone = { code: "ERR_DISCONNECTED" };
    await assert.rejects(client.dma.write(0n, Uint8Array.of(1)), gone);
    await assert.rejects(client.dma.read(0n, new Uint8Array(1)), gone);
    assert.throws(() => client.dma.view(0n, 1), gone);
    assert.throws(() => irq.trigger(), gone);
    assert.throws(() => client.irq("msix", 0).trigger(), gone);
    assert.equal(memory.bytes(0, 1)[0], 0);
    const raised = (): number => linux.poll([{ fd: eventfd, events: POLLIN, revents: 0 }], 0);
    assert.equal(raised(), 0);
    server.client.irq("msix", 0).trigger();
    await server.client.dma.write(0n, Uint8Array.of(1));
    assert.equal(memory.bytes(0, 1)[0], 1);
    assert.equal(raised(), 1);
    linux.close(eventfd);
    memory.close();
  });

  it("is what handlers are given", async () => {
    const given: [string, DeviceClient][] = [];
    start({
      regions: [
        {
          index: 0,
          size: 4096,
          read: (_offset, _target, client) => void given.push(["read", client]),
        },
      ],
      connected: (client) => void given.push(["connected", client]),
      disconnected: (_, client) => void given.push(["disconnected", client]),
    });
    const [peer, client] = await pair();
    await peer.read(0, 0, 4);
    peer.close();
    await negotiate();
    assert.deepEqual(
      given.map(([what, each]) => [what, each === client]),
      [
        ["connected", true],
        ["read", true],
        ["disconnected", true],
        ["connected", false],
      ],
    );
  });

  it("may be used by work that a handler does not wait for: its end is no fault, other failures are told", async () => {
    start({ regions: [] });
    const [peer, client] = await pair();
    const later = Promise.withResolvers<void>();
    client.run(() => later.promise.then(() => client.dma.read(0n, new Uint8Array(1))));
    client.run(() => Promise.reject(new RangeError("its own")));
    peer.close();
    await negotiate();
    later.resolve();
    await sleep(1);
    assert.deepEqual(errors.map(String), ["RangeError: its own"]);
  });

  it("is waited for: the next client is accepted when `disconnected` has settled", async () => {
    const settled = Promise.withResolvers<void>();
    let held: Uint8Array | null = null;
    const memory = new SharedMemory(4096);
    start({
      regions: [],
      async disconnected() {
        await settled.promise;
        held?.fill(1);
      },
    });
    const [peer, client] = await pair();
    await peer.map(0, 1, memory.fd);
    held = client.dma.view(0n, 8).bytes;
    peer.close();
    const next = connect();
    const greeting = next.ask(VFIO_USER_VERSION, versionPayload());
    assert.equal(await next.hears(50), false, "it waits");
    assert.equal(held.length, 8, "leases are good until then");
    settled.resolve();
    assert.equal((await greeting).errno, 0);
    assert.equal(memory.bytes(0, 1)[0], 1);
    held.fill(2);
    assert.equal(memory.bytes(0, 1)[0], 1, "and no longer");
    memory.close();
  });

  it("is waited for by the server's end, too", async () => {
    let done = false;
    const server = start({
      regions: [],
      async disconnected() {
        await sleep(20);
        done = true;
      },
    });
    await pair();
    await server.close();
    assert.ok(done);
  });
});
