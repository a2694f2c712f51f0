/** Capabilities as their authors place them, open them to writes, and act on them. */

import assert from "node:assert/strict";
import { constants } from "node:os";
import { describe, it } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { VFIO_PCI_CONFIG_REGION_INDEX } from "../../../device/transport/vfio-abi.ts";
import { DeviceError } from "../../wire/device-error.ts";
import { ownThread, type PatientPeer } from "../own-thread.fixture.ts";
import { buildDevice } from "../served-device.ts";
import type { PciCapabilityDescription } from "./pci-capabilities.ts";

const { start, pair } = ownThread();
const CONFIG = VFIO_PCI_CONFIG_REGION_INDEX;
const identity = { vendor: 1, device: 2 };

async function read(peer: PatientPeer, offset: number, count: number): Promise<number[]> {
  return [...(await peer.read(CONFIG, offset, count)).payload.subarray(-count)];
}

describe("capabilities", () => {
  it("stand where they were put, the others where there is room, and are chained in their order", async () => {
    const capabilities: PciCapabilityDescription[] = [
      { type: "vendor", data: new Uint8Array(5), offset: 0x44 },
      { type: "pcie" },
      { type: "af", offset: 0xf8 },
      { type: "vendor", data: Uint8Array.of(7) },
    ];
    start({ pci: { ...identity, capabilities }, regions: [] });
    const [peer] = await pair();
    const chain: [number, number][] = [];
    for (let at = (await read(peer, 0x34, 1))[0] ?? 0; at !== 0;) {
      const [id = 0, next = 0] = await read(peer, at, 2);
      chain.push([at, id]);
      at = next;
    }
    assert.deepEqual(chain, [
      [0x44, 0x09],
      [0x4c, 0x10],
      [0xf8, 0x13],
      [0x40, 0x09],
    ]);
    assert.deepEqual(await read(peer, 0x42, 2), [4, 7]);
  });

  it("are refused over each other, out of line and without room", () => {
    const wrong: [RegExp, ...PciCapabilityDescription[]][] = [
      [/shares bytes/, { type: "pm", offset: 0x40 }, { type: "af", offset: 0x44 }],
      [/no multiple of 4/, { type: "pm", offset: 0x42 }],
      [/no room/, { type: "pm", offset: 0xfc }],
      [/no room/, { type: "pcie", offset: 0x80 }, { type: "vendor", data: new Uint8Array(0x60) }],
      [/described twice/, { type: "pm" }, { type: "pm" }],
      [/2 bytes of data, and 1/, { type: "vendor", data: new Uint8Array(2), writable: new Uint8Array(1) }],
    ];
    for (const [message, ...capabilities] of wrong) {
      const description = { pci: { ...identity, capabilities }, regions: [] };
      assert.throws(() => buildDevice(description, "/none", () => assert.fail()), {
        code: "ERR_ARGUMENT",
        message,
      });
    }
  });

  it("are told of reads and writes, each of its own part, behind what the masks allow", async () => {
    const seen: unknown[] = [];
    const handled = (name: string, ...data: number[]) => ({
      data: Uint8Array.from(data),
      writable: new Uint8Array(data.length).fill(0x0f),
      onRead: async (offset: number, target: Uint8Array) => {
        await turn();
        seen.push([name, "read", offset, ...target]);
        if (offset + target.length === data.length) target[target.length - 1] = 0xee;
      },
      onWrite: async (offset: number, source: Uint8Array) => {
        await turn();
        seen.push([name, "written", offset, ...source]);
        if (source[0] === 0xff) throw new DeviceError(constants.errno.EPERM);
      },
    });
    start({
      pci: {
        ...identity,
        capabilities: [
          { type: "vendor", ...handled("one", 0x11) },
          { type: "vendor", ...handled("two", 1, 2, 3, 4, 5) },
          { type: "pcie" },
        ],
        extendedCapabilities: [{ id: 0xb, ...handled("three", 1, 2, 3, 4) }],
      },
      regions: [],
    });
    const [peer] = await pair();
    assert.equal((await peer.write(CONFIG, 0x42, Uint8Array.of(0, 0x22, 0, 0, 0, 0x33))).errno, 0);
    assert.deepEqual(await read(peer, 0x43, 6), [0xee, 9, 0x4c, 8, 3, 2]);
    assert.deepEqual(await read(peer, 0x104, 4), [1, 2, 3, 0xee]);
    assert.equal((await peer.write(CONFIG, 0x104, Uint8Array.of(0xff))).errno, constants.errno.EPERM);
    assert.deepEqual(await read(peer, 0x104, 1), [0x0f]);
    assert.deepEqual(await read(peer, 0, 2), [1, 0]);
    assert.deepEqual(seen, [
      ["one", "written", 0, 0x22],
      ["two", "written", 0, 0x33],
      ["one", "read", 0, 0x12],
      ["two", "read", 0, 3, 2],
      ["three", "read", 0, 1, 2, 3, 4],
      ["three", "written", 0, 0xff],
      ["three", "read", 0, 0x0f],
    ]);
  });
});
