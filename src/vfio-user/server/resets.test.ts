/** What resets a device, and what its author is told of it. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  VFIO_IRQ_SET,
  VFIO_IRQ_SET_ACTION_MASK,
  VFIO_IRQ_SET_ACTION_TRIGGER,
  VFIO_IRQ_SET_ACTION_UNMASK,
  VFIO_IRQ_SET_DATA_EVENTFD,
  VFIO_IRQ_SET_DATA_NONE,
  VFIO_PCI_CONFIG_REGION_INDEX,
  VFIO_PCI_INTX_IRQ_INDEX,
} from "../../device/transport/vfio-abi.ts";
import { EFD_CLOEXEC, POLLIN } from "../../system/constants.ts";
import { linux } from "../../system/libc.ts";
import { VFIO_USER_DEVICE_RESET, VFIO_USER_DEVICE_SET_IRQS } from "../wire/protocol.ts";
import { ownThread, type PatientPeer } from "./own-thread.fixture.ts";
import { defineRegisters } from "./registers/registers.ts";

const { start, pair, negotiate, errors } = ownThread();
const CONFIG = VFIO_PCI_CONFIG_REGION_INDEX;
/** Where the first capability stands; device control is 8 bytes into that of PCI Express. */
const DEVICE_CONTROL = 0x40 + 8;

async function write(peer: PatientPeer, region: number, offset: number, ...bytes: number[]): Promise<number> {
  return (await peer.write(region, offset, Uint8Array.from(bytes))).errno;
}

describe("a reset", () => {
  it("is told with its kind, after registers and configuration space have their first values again", async () => {
    const registers = defineRegisters({
      scratch: { offset: 0, width: 4, reset: 7 },
      sticky: { offset: 4, width: 4, survives: ["function"] },
    });
    const seen: unknown[] = [];
    const disconnected = Promise.withResolvers<void>();
    start({
      pci: { vendor: 1, device: 2, capabilities: [{ type: "pcie" }] },
      regions: [{ index: 0, registers }],
      reset: (client, kind) =>
        void seen.push([kind, client.signal.aborted, registers.get("scratch"), registers.get("sticky")]),
      disconnected: () => {
        seen.push("disconnected");
        disconnected.resolve();
      },
    });
    const [peer] = await pair();
    const dirty = async (): Promise<void> => {
      assert.equal(await write(peer, 0, 0, 1, 0, 0, 0, 2), 0);
      assert.equal(await write(peer, CONFIG, 0x3c, 9), 0);
    };
    const line = async (): Promise<number | undefined> => (await peer.read(CONFIG, 0x3c, 1)).payload.at(-1);

    await dirty();
    assert.equal(await line(), 9);
    assert.equal((await peer.ask(VFIO_USER_DEVICE_RESET, new Uint8Array(0))).errno, 0);
    assert.equal(await line(), 0);
    await dirty();
    assert.equal(await write(peer, CONFIG, DEVICE_CONTROL, 0x10, 0xa8), 0);
    assert.equal(await line(), 0);
    await dirty();
    peer.close();
    await disconnected.promise;
    assert.deepEqual(seen, [
      ["device", false, 7, 0],
      ["function", false, 7, 2],
      ["client-lost", true, 7, 0],
      "disconnected",
    ]);
    const next = await negotiate();
    assert.equal((await next.read(CONFIG, 0x3c, 1)).payload.at(-1), 0);
    assert.deepEqual(errors, []);
  });

  it("leaves no masked interrupt pending", async () => {
    start({ pci: { vendor: 1, device: 2, intx: true }, regions: [] });
    const [peer, client] = await pair();
    const eventfd = linux.eventfd(0, EFD_CLOEXEC);
    const setIntx = async (flags: number, descriptors: number[] = []): Promise<void> => {
      const intx = { argsz: VFIO_IRQ_SET.size, flags, index: VFIO_PCI_INTX_IRQ_INDEX, start: 0, count: 1 };
      const { errno } = await peer.ask(VFIO_USER_DEVICE_SET_IRQS, VFIO_IRQ_SET.encode(intx), descriptors);
      assert.equal(errno, 0);
    };
    const isRaised = (): boolean => linux.poll([{ fd: eventfd, events: POLLIN, revents: 0 }], 0) > 0;
    await setIntx(VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER, [eventfd]);
    await setIntx(VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_MASK);
    client.irq("intx").trigger();
    assert.equal((await peer.ask(VFIO_USER_DEVICE_RESET, new Uint8Array(0))).errno, 0);
    await setIntx(VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_UNMASK);
    assert.ok(!isRaised(), "it was pending still");
    client.irq("intx").trigger();
    assert.ok(isRaised(), "the eventfd is the client's, and stays");
    linux.close(eventfd);
  });

  it("masks every MSI-X vector, and forgets where it was to be sent", async () => {
    const msix = {
      type: "msix",
      vectors: 2,
      table: { bar: 0, offset: 0 },
      pba: { bar: 0, offset: 32 },
    } as const;
    start({ pci: { vendor: 1, device: 2, capabilities: [msix] }, regions: [{ index: 0, size: 4096 }] });
    const [peer] = await pair();
    const table = async (): Promise<number[]> => [...(await peer.read(0, 0, 32)).payload.subarray(-32)];
    const atFirst = [...new Uint8Array(12), 1, 0, 0, 0];
    assert.equal(await write(peer, 0, 0, ...new Uint8Array(32).fill(0xee)), 0);
    assert.deepEqual(await table(), [...new Uint8Array(32).fill(0xee)]);
    assert.equal((await peer.ask(VFIO_USER_DEVICE_RESET, new Uint8Array(0))).errno, 0);
    assert.deepEqual(await table(), [...atFirst, ...atFirst]);
  });

  it("is begun by advanced features, and by the way back from D3hot where that resets", async () => {
    const seen: unknown[] = [];
    start({
      pci: {
        vendor: 1,
        device: 2,
        capabilities: [{ type: "af" }, { type: "pm", softReset: true }],
      },
      regions: [{ index: 0, size: 16, read: () => {} }],
      reset: (_client, kind) => void seen.push(kind),
    });
    const [peer] = await pair();
    const [af, pm] = [0x40, 0x48];
    assert.deepEqual([...(await peer.read(CONFIG, af, 6)).payload.subarray(-6)], [0x13, pm, 6, 3, 0, 0]);
    assert.equal(await write(peer, CONFIG, af + 4, 0), 0);
    assert.equal(await write(peer, CONFIG, pm + 4, 0), 0);
    assert.deepEqual(seen, []);
    assert.equal(await write(peer, CONFIG, af + 4, 1), 0);
    assert.equal((await peer.read(CONFIG, af + 4, 1)).payload.at(-1), 0);
    assert.deepEqual(seen, ["function"]);
    assert.equal(await write(peer, CONFIG, pm + 4, 3), 0);
    assert.equal(await write(peer, CONFIG, pm + 4, 3), 0);
    assert.deepEqual(seen, ["function"]);
    assert.equal(await write(peer, CONFIG, pm + 4, 0), 0);
    assert.deepEqual(seen, ["function", "power"]);
  });

  it("that fails is the client's errno, and at a client's end the author's to hear of", async () => {
    const disconnected = Promise.withResolvers<void>();
    start({
      regions: [],
      reset: (_client, kind) => {
        throw new RangeError(kind);
      },
      disconnected: () => disconnected.resolve(),
    });
    const peer = await negotiate();
    assert.notEqual((await peer.ask(VFIO_USER_DEVICE_RESET, new Uint8Array(0))).errno, 0);
    peer.close();
    await disconnected.promise;
    assert.deepEqual(errors.map(String), ["RangeError: device", "RangeError: client-lost"]);
  });
});
