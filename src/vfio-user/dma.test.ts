/** DMA as a device does it, in the memory of a client that says where it may. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { openDescriptors } from "../system/descriptors.fixture.ts";
import type { DmaRange } from "../device/transport/transport.ts";
import { VFIO_PCI_MSIX_IRQ_INDEX } from "../device/transport/vfio-abi.ts";
import {
  F_ADD_SEALS,
  F_SEAL_SHRINK,
  MAP_SHARED,
  MFD_ALLOW_SEALING,
  MFD_CLOEXEC,
  PROT_READ,
  PROT_WRITE,
} from "../system/constants.ts";
import { linux } from "../system/libc.ts";
import { BUFFER, FETCH, INCREMENT, STORE, STORE_LATER } from "./server/dma-device.fixture.ts";
import { drivenDevice, take } from "./driven-device.fixture.ts";

const SIZE = 4 << 20;
const device = drivenDevice();
const { order, listen, undo } = device;

/** `sealable` files can be sealed against shrinking by whoever gets them, and are not yet. */
type FileKind = "sealed" | "sealable" | "shrinkable";

/** Memory of this process behind a file, and how to give it to the device. */
function memory(kind: FileKind): { bytes: Uint8Array; range: Omit<DmaRange, "iova">; fd: number } {
  const sealing = kind === "shrinkable" ? 0 : MFD_ALLOW_SEALING;
  const fd = linux.memfd_create("dma-test", MFD_CLOEXEC | sealing);
  linux.ftruncate(fd, SIZE);
  if (kind === "sealed") linux.fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK);
  const address = linux.mmap(0n, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  const buffer = linux.view(address, SIZE);
  undo.push(() => {
    linux.detach(buffer);
    linux.munmap(address, SIZE);
    linux.close(fd);
  });
  const range = { address, size: SIZE, readable: true, writable: true, file: { fd, offset: 0 } };
  return { bytes: new Uint8Array(buffer), range, fd };
}

function map(range: DmaRange): void {
  device.client.dma.map(range);
  undo.push(() => device.client.dma.unmap(range.iova, range.size));
}

describe("DMA", () => {
  const reaches: [string, () => Pick<ReturnType<typeof memory>, "bytes" | "range">][] = [
    ["through a mapping of the client's file", () => memory("sealed")],
    ["through a mapping of the client's file, sealed by the device", () => memory("sealable")],
    ["through the client's file, which could shrink", () => memory("shrinkable")],
    [
      "by messages, where no file was passed along",
      () => {
        const { bytes, range } = memory("shrinkable");
        const { file: _, ...withoutFile } = range;
        return { bytes, range: withoutFile };
      },
    ],
  ];
  for (const [way, make] of reaches) {
    it(`reads and writes the client's memory ${way}`, () => {
      const { bytes, range } = make();
      map({ ...range, iova: 0x10_0000n });
      bytes.set([1, 2, 3, 4], 0x20);
      order(FETCH, 0, 0x10_0020n, 4);
      const fetched = new Uint8Array(4);
      device.client.read(0, BUFFER, fetched);
      assert.deepEqual([...fetched], [1, 2, 3, 4]);
      device.client.write(0, BUFFER, new Uint8Array([9, 8, 7]));
      order(STORE, 0, 0x10_0000n + BigInt(SIZE) - 3n, 3);
      assert.deepEqual([...bytes.subarray(-3)], [9, 8, 7], "up to the last byte");
    });
  }

  it("gives the device the client's memory itself, where its file cannot shrink, or can be kept from it", () => {
    for (const [number, kind] of (["sealed", "sealable"] as const).entries()) {
      const { bytes, range, fd } = memory(kind);
      const iova = BigInt(number * SIZE);
      map({ ...range, iova });
      bytes.fill(5, 0, 16);
      order(INCREMENT, 0, iova, 16);
      assert.deepEqual([...bytes.subarray(0, 17)], [...Array<number>(16).fill(6), 0]);
      assert.throws(() => linux.ftruncate(fd, 0), { code: "EPERM" });
    }
    const shrinking = memory("shrinkable");
    map({ ...shrinking.range, iova: 0x1000_0000n });
    assert.throws(() => order(INCREMENT, 0, 0x1000_0000n, 16), { code: "ERR_DEVICE" });
  });

  it("survives a file that shrinks after it was mapped", () => {
    const { range, fd } = memory("shrinkable");
    map({ ...range, iova: 0n });
    linux.ftruncate(fd, 0);
    // The client's own mapping is gone too, so it must not be touched: the server asks, and gets an error in time.
    linux.ftruncate(fd, SIZE);
    order(FETCH, 0, 0x1000n, 4);
  });

  it("runs over pieces that touch, and refuses what is not mapped, or not for that", () => {
    const first = memory("sealed");
    const second = memory("shrinkable");
    map({ ...first.range, iova: 0n });
    map({ ...second.range, iova: BigInt(SIZE), writable: false });
    first.bytes.set([1, 2], SIZE - 2);
    second.bytes.set([3, 4], 0);
    order(FETCH, 0, BigInt(SIZE) - 2n, 4);
    const fetched = new Uint8Array(4);
    device.client.read(0, BUFFER, fetched);
    assert.deepEqual([...fetched], [1, 2, 3, 4]);
    device.client.write(0, BUFFER, new Uint8Array(4));
    assert.throws(() => order(STORE, 0, BigInt(SIZE) - 2n, 4), { code: "ERR_DEVICE" });
    assert.deepEqual([...first.bytes.subarray(-2)], [1, 2], "nothing was written");
    for (const iova of [BigInt(2 * SIZE) - 2n, BigInt(2 * SIZE), (1n << 64n) - 2n]) {
      assert.throws(() => order(FETCH, 0, iova, 4), { code: "ERR_DEVICE" });
    }
  });

  it("reaches the client by messages while it waits for nothing", async () => {
    const { bytes, range } = memory("shrinkable");
    const { file: _, ...withoutFile } = range;
    map({ ...withoutFile, iova: 0n });
    const [eventfd] = listen(VFIO_PCI_MSIX_IRQ_INDEX, 0, 1);
    device.client.write(0, BUFFER, new Uint8Array([4, 3, 2, 1]));
    order(STORE_LATER, 0, 0x100n, 4);
    for (let tries = 0; tries < 200 && take(eventfd, 0) === 0; tries += 1) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    assert.deepEqual([...bytes.subarray(0x100, 0x104)], [4, 3, 2, 1]);
  });

  it("ends with the mapping, and leaves nothing behind", () => {
    for (let round = 0; round < 20; round += 1) {
      const { range } = memory(round % 2 === 0 ? "sealed" : "shrinkable");
      device.client.dma.map({ ...range, iova: 0n });
      device.client.dma.unmap(0n, SIZE);
      for (const step of undo.splice(0)) step();
    }
    assert.throws(() => order(FETCH, 0, 0n, 4), { code: "ERR_DEVICE" });
    // The server is a thread of this process.
    assert.deepEqual(
      openDescriptors().filter((each) => each.includes("dma-test")),
      [],
    );
  });

  it("refuses mappings that overlap, wrap, or are none, and files that are none or too short", () => {
    const { range, fd } = memory("shrinkable");
    map({ ...range, iova: 0x1000_0000n });
    const [pipe, otherEnd] = linux.socketpair(1);
    undo.push(
      () => linux.close(pipe),
      () => linux.close(otherEnd),
    );
    const bad: [Partial<DmaRange>, RegExp][] = [
      [{ iova: (1n << 64n) - 0x1000n }, /EINVAL/],
      [{ iova: 0x123n }, /EINVAL/],
      [{ size: 0x123 }, /EINVAL/],
      [{ file: { fd, offset: 0x1000 } }, /EINVAL/],
      [{ file: { fd, offset: 0x10 }, size: 0x1000 }, /EINVAL/],
      [{ file: { fd: pipe, offset: 0 } }, /EINVAL/],
    ];
    for (const [change, message] of bad) {
      assert.throws(() => device.client.dma.map({ ...range, iova: 0x4000_0000n, ...change }), {
        code: "ERR_DEVICE",
        message,
      });
    }
    for (const iova of [0x1000_0000n, 0x1000_0000n + BigInt(SIZE) - 0x1000n, 0x1000_0000n - 0x1000n])
      assert.throws(() => device.client.dma.map({ ...range, iova }), { code: "ERR_BUSY" });
  });

  it("ends all mappings in a range, be there none, and cuts none in two", () => {
    const { range } = memory("sealed");
    const at = [0x1000_0000n, 0x1000_0000n + BigInt(SIZE), 0x3000_0000n];
    const mapAll = (): void => {
      for (const iova of at) device.client.dma.map({ ...range, iova });
    };
    const isMapped = (iova: bigint): boolean => {
      try {
        order(FETCH, 0, iova, 4);
        return true;
      } catch {
        return false;
      }
    };
    mapAll();
    for (const [iova, size] of [
      [0x1000_0000n, 0x1000],
      [0x1000_1000n, SIZE],
      [0x0fff_f000n, 2 * SIZE],
      [0x1000_0000n, 0],
      [(1n << 64n) - 0x1000n, SIZE],
    ] as const) {
      assert.throws(() => device.client.dma.unmap(iova, size), { code: "ERR_DEVICE", message: /EINVAL/ });
    }
    device.client.dma.unmap(0x5000_0000n, SIZE);
    device.client.dma.unmap(0x0000_0000n, 0x1000_0000);
    device.client.dma.unmap(0x1000_0000n + 2n * BigInt(SIZE), 0x1000);
    assert.deepEqual(at.map(isMapped), [true, true, true]);
    device.client.dma.unmap(0x0800_0000n, 0x1000_0000);
    assert.deepEqual(at.map(isMapped), [false, false, true]);
    device.client.dma.unmap(0n, 2 ** 40);
    assert.deepEqual(at.map(isMapped), [false, false, false]);
    mapAll();
    device.client.dma.unmap(at[1] ?? 0n, SIZE);
    assert.deepEqual(at.map(isMapped), [true, false, true]);
    device.client.dma.unmap(0n, 2 ** 40);
  });
});
