import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { VFIO_IRQ_SET, VFIO_PCI_INTX_IRQ_INDEX, VFIO_REGION_INFO } from "../../device/transport/vfio-abi.ts";
import { EFD_CLOEXEC } from "../../system/constants.ts";
import { take } from "../../system/eventfds.ts";
import { linux } from "../../system/libc.ts";
import {
  VFIO_USER_DEVICE_GET_REGION_INFO,
  VFIO_USER_DEVICE_RESET,
  VFIO_USER_DEVICE_SET_IRQS,
} from "../wire/protocol.ts";
import { ownThread } from "./own-thread.fixture.ts";
import { buildDevice } from "./served-device.ts";

const { start, pair } = ownThread();
const pci = { vendor: 1, device: 2, intx: true };

describe("a served device", () => {
  it("has BARs whose sizes are powers of two, as every client takes for granted", () => {
    const build = (size: number) =>
      buildDevice({ pci, regions: [{ index: 0, size }] }, "/none", () => assert.fail());
    for (const [size, better] of [
      [0x1800, 0x2000],
      [3 * 2 ** 30, 2 ** 32],
      [8, 16],
    ] as const)
      assert.throws(() => build(size), { code: "ERR_ARGUMENT", message: new RegExp(`make it ${better}`) });
    for (const size of [16, 4096, 2 ** 38]) build(size).release();
    buildDevice({ regions: [{ index: 0, size: 0x1800 }] }, "/none", () => assert.fail()).release();
  });

  it("passes no descriptor along for a region of which there was no room to tell, nor says that it could be mapped", async () => {
    start({ regions: [{ index: 2, size: 8192, memory: "sparse" }] });
    const [peer] = await pair();
    for (const [argsz, mappable] of [
      [VFIO_REGION_INFO.size, false],
      [4096, true],
    ] as const) {
      const request = VFIO_REGION_INFO.encode({ argsz, index: 2 });
      const { payload, descriptors } = await peer.ask(VFIO_USER_DEVICE_GET_REGION_INFO, request);
      assert.equal((VFIO_REGION_INFO.decode(payload).flags & 4) !== 0, mappable);
      assert.equal(descriptors.length, mappable ? 1 : 0);
      for (const fd of descriptors) linux.close(fd);
    }
  });

  it("forgets by a reset the interrupts that waited to be told of", async () => {
    start({ pci, regions: [] });
    const [peer, client] = await pair();
    const eventfd = linux.eventfd(0, EFD_CLOEXEC);
    const set = async (flags: number, descriptors: number[] = []): Promise<void> => {
      const request = { argsz: 20, flags, index: VFIO_PCI_INTX_IRQ_INDEX, start: 0, count: 1 };
      const reply = await peer.ask(VFIO_USER_DEVICE_SET_IRQS, VFIO_IRQ_SET.encode(request), descriptors);
      assert.equal(reply.errno, 0);
    };
    await set(0x24, [eventfd]); // DATA_EVENTFD | ACTION_TRIGGER
    await set(0x09); // DATA_NONE | ACTION_MASK
    client.irq("intx").trigger();
    assert.equal((await peer.ask(VFIO_USER_DEVICE_RESET, new Uint8Array(0))).errno, 0);
    await set(0x11); // ACTION_UNMASK
    assert.equal(take(eventfd), 0);
    client.irq("intx").trigger();
    assert.equal(take(eventfd), 1);
    linux.close(eventfd);
  });
});
