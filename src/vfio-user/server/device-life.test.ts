/** What a device's author is asked and told as its client takes memory away, resets the device and goes. */

import assert from "node:assert/strict";
import { constants } from "node:os";
import { describe, it } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { VFIO_IRQ_SET } from "../../device/transport/vfio-abi.ts";
import { SharedMemory } from "../../memory/shared-memory.ts";
import { EFD_CLOEXEC, MFD_CLOEXEC } from "../../system/constants.ts";
import { linux } from "../../system/libc.ts";
import { DeviceError } from "../wire/device-error.ts";
import { VFIO_USER_DEVICE_RESET, VFIO_USER_DEVICE_SET_IRQS } from "../wire/protocol.ts";
import type { DeviceDescription } from "./device-description.ts";
import type { DmaLease } from "./dma/dma-lease.ts";
import { ownThread } from "./own-thread.fixture.ts";

const PAGE = 4096;
const NOTHING = new Uint8Array(0);
const { errors, start, pair } = ownThread();

/** A device that writes down what it is asked. */
function diary(overrides: Partial<DeviceDescription> = {}) {
  const seen: string[] = [];
  const gone = Promise.withResolvers<void>();
  const description: DeviceDescription = {
    regions: [],
    quiesce: (_client, reason) => void seen.push(`quiesce ${reason}`),
    resume: (_client, reason) => void seen.push(`resume ${reason}`),
    reset: (_client, kind) => void seen.push(`reset ${kind}`),
    dmaMapped: ({ iova, size, readable, writable, reach }) =>
      void seen.push(`mapped ${iova} ${size} ${readable} ${writable} ${reach}`),
    dmaUnmapping: ({ iova }) => void seen.push(`unmapping ${iova}`),
    disconnected: () => {
      seen.push("disconnected");
      gone.resolve();
    },
    ...overrides,
  };
  return { seen, description, gone: gone.promise };
}

describe("a device's author", () => {
  it("is told what is mapped, and asked before it goes, before a reset and at the end", async () => {
    const { seen, description, gone } = diary();
    start(description);
    const [peer] = await pair();
    const memory = new SharedMemory(2 * PAGE);
    const shrinkable = linux.memfd_create("life", MFD_CLOEXEC);
    linux.ftruncate(shrinkable, PAGE);
    await peer.map(0, 2, memory.fd);
    await peer.map(4, 1, shrinkable);
    await peer.map(8, 1);
    assert.deepEqual(seen.splice(0), [
      "mapped 0 8192 true true mapped",
      "mapped 16384 4096 true true file",
      "mapped 32768 4096 true true messages",
    ]);

    assert.equal((await peer.unmap(0, 5)).errno, 0);
    assert.deepEqual(seen.splice(0), [
      "quiesce dma-unmap",
      "unmapping 0",
      "unmapping 16384",
      "resume dma-unmap",
    ]);
    assert.equal((await peer.unmap(0, 5)).errno, 0);
    assert.equal((await peer.unmap(7, 1)).errno, 0);
    assert.deepEqual(seen, [], "nothing was there");

    assert.equal((await peer.ask(VFIO_USER_DEVICE_RESET, NOTHING)).errno, 0);
    assert.deepEqual(seen.splice(0), ["quiesce reset", "reset device", "resume reset"]);

    peer.close();
    await gone;
    assert.deepEqual(seen, [
      "quiesce client-lost",
      "unmapping 32768",
      "reset client-lost",
      "resume client-lost",
      "disconnected",
    ]);
    linux.close(shrinkable);
    memory.close();
    assert.deepEqual(errors, []);
  });

  it("is waited for: the client's memory stays until it is quiet", async () => {
    const quiet = Promise.withResolvers<void>();
    const asked = Promise.withResolvers<void>();
    const { description } = diary({
      quiesce: async () => {
        asked.resolve();
        await quiet.promise;
      },
    });
    start(description);
    const [peer, client] = await pair();
    const memory = new SharedMemory(PAGE);
    await peer.map(0, 1, memory.fd);
    peer.sendUnmap(0, 1);
    await asked.promise;
    await client.dma.write(0n, Uint8Array.of(7));
    assert.equal(memory.bytes(0, 1)[0], 7);
    assert.equal(await peer.hears(20), false);
    quiet.resolve();
    assert.equal((await peer.receive())?.errno, 0);
    await assert.rejects(client.dma.write(0n, Uint8Array.of(8)), { code: "ERR_ACCESS_RANGE" });
    memory.close();
  });

  it("gives leases up when a range is unmapped, and the client's answer waits for nothing else", async () => {
    const held: DmaLease[] = [];
    const { description } = diary({
      dmaUnmapping: async () => {
        await turn();
        for (const lease of held.splice(0)) lease.release();
      },
    });
    start(description);
    const [peer, client] = await pair();
    const memory = new SharedMemory(PAGE);
    await peer.map(0, 1, memory.fd);
    held.push(client.dma.view(0n, 16));
    assert.equal((await peer.unmap(0, 1)).errno, 0);
    assert.deepEqual([held, errors], [[], []]);
    memory.close();
  });

  it("that does not become quiet has its device reset, and the client's request fails", async () => {
    const { seen, description, gone } = diary({
      quiesce: () => {
        throw new DeviceError(constants.errno.EBUSY);
      },
    });
    start(description);
    const [peer, client] = await pair();
    const memory = new SharedMemory(PAGE);
    await peer.map(0, 1, memory.fd);
    seen.length = 0;
    assert.equal((await peer.unmap(0, 1)).errno, constants.errno.EBUSY);
    assert.deepEqual(seen.splice(0), ["reset device", "resume dma-unmap"]);
    await client.dma.write(0n, Uint8Array.of(7)); // it is still mapped
    assert.equal((await peer.ask(VFIO_USER_DEVICE_RESET, NOTHING)).errno, constants.errno.EBUSY);
    assert.deepEqual(seen.splice(0), ["reset device", "resume reset"]);
    peer.close();
    await gone;
    assert.deepEqual(seen, ["unmapping 0", "reset client-lost", "resume client-lost", "disconnected"]);
    assert.equal(errors.length, 1, "nobody but the author is told of the last one");
    memory.close();
  });

  it("is asked one thing after the other where the server is closed while it becomes quiet", async () => {
    const quiet = Promise.withResolvers<void>();
    const asked = Promise.withResolvers<void>();
    const { seen, description, gone } = diary();
    const server = start({
      ...description,
      async quiesce(_client, reason) {
        seen.push(`quiesce ${reason}`);
        asked.resolve();
        if (reason === "reset") await quiet.promise;
      },
    });
    const [peer, client] = await pair();
    peer.raw.send(peer.encode(VFIO_USER_DEVICE_RESET, NOTHING));
    await asked.promise;
    const closed = server.close();
    assert.ok(client.signal.aborted);
    quiet.resolve();
    await Promise.all([gone, closed]);
    assert.deepEqual(seen, [
      "quiesce reset",
      "reset device",
      "resume reset",
      "quiesce client-lost",
      "reset client-lost",
      "resume client-lost",
      "disconnected",
    ]);
  });

  it("hears of what its functions throw, and all goes on", async () => {
    const fail = (what: string) => () => {
      throw new RangeError(what);
    };
    const { description } = diary({
      resume: fail("resume"),
      dmaMapped: fail("dmaMapped"),
      dmaUnmapping: fail("dmaUnmapping"),
    });
    start(description);
    const [peer] = await pair();
    await peer.map(0, 1);
    assert.equal((await peer.unmap(0, 1)).errno, 0);
    assert.deepEqual(errors.map(String), [
      "RangeError: dmaMapped",
      "RangeError: dmaUnmapping",
      "RangeError: resume",
    ]);
  });

  it("is told which interrupts a client listens to, and which it masks", async () => {
    const seen: string[] = [];
    start({
      pci: { vendor: 1, device: 2, intx: true, capabilities: [{ type: "msi", vectors: 4 }] },
      regions: [],
      irqChanged: ({ kind, start, count, state }) => void seen.push(`${kind} ${start} ${count} ${state}`),
    });
    const [peer] = await pair();
    const set = async (
      flags: number,
      index: number,
      start: number,
      count: number,
      fds: number,
    ): Promise<number> => {
      const eventfds = Array.from({ length: fds }, () => linux.eventfd(0, EFD_CLOEXEC));
      const request = VFIO_IRQ_SET.encode({ argsz: 20, flags, index, start, count });
      const { errno } = await peer.ask(VFIO_USER_DEVICE_SET_IRQS, request, eventfds);
      for (const fd of eventfds) linux.close(fd);
      return errno;
    };
    assert.equal(await set(0x24, 1, 1, 2, 2), 0); // DATA_EVENTFD | ACTION_TRIGGER
    assert.equal(await set(0x24, 1, 2, 1, 0), 0);
    assert.equal(await set(0x21, 1, 0, 1, 0), 0); // raises one
    assert.equal(await set(0x21, 1, 0, 0, 0), 0); // ends all
    assert.equal(await set(0x24, 0, 0, 1, 1), 0);
    assert.equal(await set(0x09, 0, 0, 1, 0), 0); // ACTION_MASK
    assert.equal(await set(0x11, 0, 0, 1, 0), 0);
    assert.notEqual(await set(0x09, 1, 0, 1, 0), 0, "MSI is not masked by requests");
    assert.deepEqual(seen, [
      "msi 1 2 enabled",
      "msi 2 1 disabled",
      "msi 0 4 disabled",
      "intx 0 1 enabled",
      "intx 0 1 masked",
      "intx 0 1 unmasked",
    ]);
    assert.deepEqual(errors, []);
  });
});
