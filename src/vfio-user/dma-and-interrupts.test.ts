import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import { decodeConfigSpace } from "../device/config-space.ts";
import type { DmaRange, Transport } from "../device/transport.ts";
import {
  VFIO_IRQ_SET_ACTION_MASK,
  VFIO_IRQ_SET_ACTION_TRIGGER,
  VFIO_IRQ_SET_ACTION_UNMASK,
  VFIO_IRQ_SET_DATA_BOOL,
  VFIO_IRQ_SET_DATA_EVENTFD,
  VFIO_IRQ_SET_DATA_NONE,
  VFIO_PCI_CONFIG_REGION_INDEX,
  VFIO_PCI_INTX_IRQ_INDEX,
  VFIO_PCI_MSI_IRQ_INDEX,
  VFIO_PCI_MSIX_IRQ_INDEX,
} from "../device/vfio-abi.ts";
import {
  EFD_CLOEXEC,
  EFD_NONBLOCK,
  F_ADD_SEALS,
  F_SEAL_SHRINK,
  MAP_SHARED,
  MFD_ALLOW_SEALING,
  MFD_CLOEXEC,
  POLLIN,
  PROT_READ,
  PROT_WRITE,
} from "../memory/constants.ts";
import { linux } from "../memory/libc.ts";
import { connectVfioUser } from "./client.ts";
import {
  BUFFER,
  encodeOrder,
  FETCH,
  INCREMENT,
  MSIX_PBA,
  NOTHING,
  MSIX_TABLE,
  RAISE,
  RAISE_INTX,
  STORE,
  STORE_LATER,
} from "./dma-device.fixture.ts";
import { serveInWorker, type WorkerServer } from "./serve-in-worker.ts";

const SIZE = 4 << 20;
const folder = mkdtempSync(join(tmpdir(), "hugebar-"));
const socket = join(folder, "device.sock");
let server: WorkerServer;
let client: Transport;
before(async () => {
  server = await serveInWorker(new URL("./dma-device.fixture.ts", import.meta.url), { socket });
  client = connectVfioUser(socket);
});
after(async () => {
  client.close();
  await server.close();
  rmSync(folder, { recursive: true });
});

/** Undone after each test, last first. */
const undo: (() => void)[] = [];
afterEach(() => {
  for (const step of undo.splice(0).reverse()) step();
});

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
  client.dmaMap(range);
  undo.push(() => client.dmaUnmap(range.iova, range.size));
}

function order(what: number, vector: number, iova: bigint, length: number): void {
  client.write(0, 0, encodeOrder(what, vector, iova, length));
}

/** Eventfds for interrupts `start` on; a signal of one is awaited and counted by `take`. */
function listen(index: number, start: number, count: number): number[] {
  const eventfds = Array.from({ length: count }, () => linux.eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  const flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
  client.setIrqs({ index, flags, start, count, eventfds });
  undo.push(() => {
    client.setIrqs({ index, flags, start, count, eventfds: eventfds.map(() => -1) });
    for (const fd of eventfds) linux.close(fd);
  });
  return eventfds;
}

function take(fd: number | undefined, milliseconds = 2000): number {
  if (fd === undefined || linux.poll([{ fd, events: POLLIN, revents: 0 }], milliseconds) === 0) return 0;
  const counter = new BigUint64Array(1);
  linux.read(fd, new Uint8Array(counter.buffer));
  return Number(counter[0]);
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
      client.read(0, BUFFER, fetched);
      assert.deepEqual([...fetched], [1, 2, 3, 4]);
      client.write(0, BUFFER, new Uint8Array([9, 8, 7]));
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
    client.read(0, BUFFER, fetched);
    assert.deepEqual([...fetched], [1, 2, 3, 4]);
    client.write(0, BUFFER, new Uint8Array(4));
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
    client.write(0, BUFFER, new Uint8Array([4, 3, 2, 1]));
    order(STORE_LATER, 0, 0x100n, 4);
    for (let tries = 0; tries < 200 && take(eventfd, 0) === 0; tries += 1) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    assert.deepEqual([...bytes.subarray(0x100, 0x104)], [4, 3, 2, 1]);
  });

  it("ends with the mapping, and leaves nothing behind", () => {
    const open = readdirSync("/proc/self/fd").length;
    for (let round = 0; round < 20; round += 1) {
      const { range } = memory(round % 2 === 0 ? "sealed" : "shrinkable");
      client.dmaMap({ ...range, iova: 0n });
      client.dmaUnmap(0n, SIZE);
      for (const step of undo.splice(0)) step();
    }
    assert.throws(() => order(FETCH, 0, 0n, 4), { code: "ERR_DEVICE" });
    assert.equal(readdirSync("/proc/self/fd").length, open);
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
      [{ iova: 0x1000_0000n + BigInt(SIZE) - 0x1000n }, /EEXIST/],
      [{ iova: 0x1000_0000n - 0x1000n }, /EEXIST/],
      [{ iova: (1n << 64n) - 0x1000n }, /EINVAL/],
      [{ iova: 0x123n }, /EINVAL/],
      [{ size: 0x123 }, /EINVAL/],
      [{ file: { fd, offset: 0x1000 } }, /EINVAL/],
      [{ file: { fd, offset: 0x10 }, size: 0x1000 }, /EINVAL/],
      [{ file: { fd: pipe, offset: 0 } }, /EINVAL/],
    ];
    for (const [change, message] of bad) {
      assert.throws(() => client.dmaMap({ ...range, iova: 0x4000_0000n, ...change }), {
        code: "ERR_DEVICE",
        message,
      });
    }
    assert.throws(() => client.dmaMap({ ...range, iova: 0x1000_0000n }), { code: "ERR_BUSY" });
  });

  it("ends all mappings in a range, be there none, and cuts none in two", () => {
    const { range } = memory("sealed");
    const at = [0x1000_0000n, 0x1000_0000n + BigInt(SIZE), 0x3000_0000n];
    const mapAll = (): void => {
      for (const iova of at) client.dmaMap({ ...range, iova });
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
      assert.throws(() => client.dmaUnmap(iova, size), { code: "ERR_DEVICE", message: /EINVAL/ });
    }
    client.dmaUnmap(0x5000_0000n, SIZE);
    client.dmaUnmap(0x0000_0000n, 0x1000_0000);
    client.dmaUnmap(0x1000_0000n + 2n * BigInt(SIZE), 0x1000);
    assert.deepEqual(at.map(isMapped), [true, true, true]);
    client.dmaUnmap(0x0800_0000n, 0x1000_0000);
    assert.deepEqual(at.map(isMapped), [false, false, true]);
    client.dmaUnmap(0n, 2 ** 40);
    assert.deepEqual(at.map(isMapped), [false, false, false]);
    mapAll();
    client.dmaUnmap(at[1] ?? 0n, SIZE);
    assert.deepEqual(at.map(isMapped), [true, false, true]);
    client.dmaUnmap(0n, 2 ** 40);
  });
});

describe("interrupts", () => {
  it("are as many as the device's capabilities say", () => {
    assert.deepEqual(client.irqInfo(VFIO_PCI_INTX_IRQ_INDEX), { index: 0, flags: 7, count: 1 });
    assert.deepEqual(client.irqInfo(VFIO_PCI_MSI_IRQ_INDEX), { index: 1, flags: 3, count: 4 });
    assert.deepEqual(client.irqInfo(VFIO_PCI_MSIX_IRQ_INDEX), { index: 2, flags: 3, count: 8 });
    assert.deepEqual(client.irqInfo(3), { index: 3, flags: 3, count: 1 });
    assert.deepEqual(client.irqInfo(4), { index: 4, flags: 3, count: 1 });
    assert.throws(() => client.irqInfo(5), { code: "ERR_ARGUMENT" });
  });

  it("signal the eventfd of their vector, and no other", () => {
    const [first, second, third] = listen(VFIO_PCI_MSIX_IRQ_INDEX, 2, 3);
    order(RAISE, 3, 0n, 0);
    order(RAISE, 3, 0n, 0);
    assert.equal(take(second), 2);
    assert.equal(take(first, 0), 0);
    assert.equal(take(third, 0), 0);
    order(RAISE, 7, 0n, 0);
  });

  it("are silent while masked, and told of afterwards, once", () => {
    const [eventfd] = listen(VFIO_PCI_MSIX_IRQ_INDEX, 0, 1);
    const set = (action: number) =>
      client.setIrqs({
        index: VFIO_PCI_MSIX_IRQ_INDEX,
        flags: VFIO_IRQ_SET_DATA_NONE | action,
        start: 0,
        count: 1,
      });
    set(VFIO_IRQ_SET_ACTION_MASK);
    order(RAISE, 0, 0n, 0);
    order(RAISE, 0, 0n, 0);
    assert.equal(take(eventfd, 0), 0);
    const pending = new Uint8Array(8);
    client.read(0, MSIX_PBA, pending);
    assert.deepEqual([...pending], [1, 0, 0, 0, 0, 0, 0, 0], "the pending bits say so");
    set(VFIO_IRQ_SET_ACTION_UNMASK);
    assert.equal(take(eventfd), 1);
    client.read(0, MSIX_PBA, pending);
    assert.equal(pending[0], 0);
  });

  it("of a level stay masked until the client unmasks them", () => {
    const [eventfd] = listen(VFIO_PCI_INTX_IRQ_INDEX, 0, 1);
    order(RAISE_INTX, 0, 0n, 0);
    order(RAISE_INTX, 0, 0n, 0);
    assert.equal(take(eventfd), 1);
    const flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_UNMASK;
    client.setIrqs({ index: VFIO_PCI_INTX_IRQ_INDEX, flags, start: 0, count: 1 });
    assert.equal(take(eventfd), 1, "it was raised again meanwhile");
    client.setIrqs({ index: VFIO_PCI_INTX_IRQ_INDEX, flags, start: 0, count: 1 });
    assert.equal(take(eventfd, 0), 0);
  });

  it("of a level are unmasked by an eventfd of the client's, as KVM does it", () => {
    const index = VFIO_PCI_INTX_IRQ_INDEX;
    const flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_UNMASK;
    const resample = linux.eventfd(0, EFD_CLOEXEC);
    undo.push(() => linux.close(resample));
    const bind = (fd: number) => client.setIrqs({ index, flags, start: 0, count: 1, eventfds: [fd] });
    assert.throws(() => bind(resample), /EINVAL/, "INTx is not in use");
    const [eventfd] = listen(index, 0, 1);
    bind(resample);
    assert.throws(() => bind(resample), /EBUSY/);
    const signal = () => linux.write(resample, new Uint8Array(new BigUint64Array([1n]).buffer));
    for (let round = 0; round < 3; round += 1) {
      order(RAISE_INTX, 0, 0n, 0);
      assert.equal(take(eventfd), 1);
      order(RAISE_INTX, 0, 0n, 0);
      assert.equal(take(eventfd, 0), 0, "it is masked");
      signal();
      assert.equal(take(eventfd), 1, "it was raised again meanwhile");
      signal();
      // The signal is on its own way; when it has been taken, the next one is told of at once.
      while (linux.poll([{ fd: resample, events: POLLIN, revents: 0 }], 0) === 1) order(NOTHING, 0, 0n, 0);
    }
    bind(-1);
    order(RAISE_INTX, 0, 0n, 0);
    assert.equal(take(eventfd), 1);
    signal();
    order(RAISE_INTX, 0, 0n, 0);
    assert.equal(take(eventfd, 20), 0, "the eventfd unmasks no longer");
  });

  it("are neither masked by eventfds, nor unmasked where they are no level: as the kernel has it", () => {
    const eventfd = linux.eventfd(0, EFD_CLOEXEC);
    undo.push(() => linux.close(eventfd));
    const cases = [
      [VFIO_PCI_INTX_IRQ_INDEX, VFIO_IRQ_SET_ACTION_MASK, "ENOTTY"],
      [VFIO_PCI_MSI_IRQ_INDEX, VFIO_IRQ_SET_ACTION_MASK, "ENOTTY"],
      [VFIO_PCI_MSIX_IRQ_INDEX, VFIO_IRQ_SET_ACTION_UNMASK, "ENOTTY"],
      [VFIO_PCI_MSIX_IRQ_INDEX, VFIO_IRQ_SET_ACTION_UNMASK | VFIO_IRQ_SET_ACTION_MASK, "EINVAL"],
      [VFIO_PCI_MSIX_IRQ_INDEX, 0, "EINVAL"],
    ] as const;
    for (const [index, action, errno] of cases) {
      const flags = VFIO_IRQ_SET_DATA_EVENTFD | action;
      assert.throws(() => client.setIrqs({ index, flags, start: 0, count: 1, eventfds: [eventfd] }), {
        code: "ERR_DEVICE",
        message: new RegExp(errno),
      });
    }
  });

  it("are triggered by the client itself, by booleans too", () => {
    const eventfds = listen(VFIO_PCI_MSI_IRQ_INDEX, 0, 4);
    const flags = VFIO_IRQ_SET_DATA_BOOL | VFIO_IRQ_SET_ACTION_TRIGGER;
    client.setIrqs({
      index: VFIO_PCI_MSI_IRQ_INDEX,
      flags,
      start: 0,
      count: 4,
      data: Uint8Array.of(0, 1, 0, 1),
    });
    assert.deepEqual(
      eventfds.map((fd) => take(fd, 0)),
      [0, 1, 0, 1],
    );
  });

  it("are told of in several messages, where descriptors are many or some are taken away", () => {
    const eventfds = Array.from({ length: 8 }, (_, at) =>
      at === 3 ? -1 : linux.eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
    );
    const flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
    client.setIrqs({ index: VFIO_PCI_MSIX_IRQ_INDEX, flags, start: 0, count: 8, eventfds });
    for (let vector = 0; vector < 8; vector += 1) order(RAISE, vector, 0n, 0);
    assert.deepEqual(
      eventfds.map((fd) => (fd < 0 ? -1 : take(fd, 0))),
      [1, 1, 1, -1, 1, 1, 1, 1],
    );
    const all = { index: VFIO_PCI_MSIX_IRQ_INDEX, start: 0, count: 0 };
    client.setIrqs({ ...all, flags: VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER });
    order(RAISE, 0, 0n, 0);
    assert.equal(take(eventfds[0], 0), 0, "all are off");
    for (const fd of eventfds) if (fd >= 0) linux.close(fd);
  });

  it("refuse what is no eventfd, and requests that are none", () => {
    const memfd = linux.memfd_create("no-eventfd", MFD_CLOEXEC);
    undo.push(() => linux.close(memfd));
    const good = { index: VFIO_PCI_MSIX_IRQ_INDEX, start: 0, count: 1 };
    const eventfd = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
    const none = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER;
    const bad = [
      { ...good, flags: eventfd, eventfds: [memfd] },
      { ...good, flags: none, start: 8 },
      { ...good, flags: none, count: 9 },
      { ...good, flags: none, start: 0xffff_ffff, count: 1 },
      { ...good, flags: VFIO_IRQ_SET_DATA_NONE },
      { ...good, flags: VFIO_IRQ_SET_ACTION_TRIGGER },
      { ...good, flags: none | 0x40 },
      { ...good, flags: VFIO_IRQ_SET_DATA_BOOL | VFIO_IRQ_SET_ACTION_TRIGGER, data: new Uint8Array(2) },
      { ...good, flags: none, index: 5 },
      { ...good, flags: none, index: 3, start: 1 },
    ];
    for (const request of bad) {
      assert.throws(
        () => client.setIrqs(request),
        { code: "ERR_DEVICE", message: /EINVAL/ },
        JSON.stringify(request),
      );
    }
  });
});

describe("configuration space", () => {
  const CONFIG = VFIO_PCI_CONFIG_REGION_INDEX;

  function readWord(offset: number): number {
    const bytes = new Uint8Array(4);
    client.read(CONFIG, offset, bytes);
    return new DataView(bytes.buffer).getUint32(0, true);
  }

  function writeWord(offset: number, value: number): void {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, value, true);
    client.write(CONFIG, offset, bytes);
  }

  it("says what the author said, as our own reader of it sees", () => {
    const bytes = new Uint8Array(256);
    client.read(CONFIG, 0, bytes);
    const config = decodeConfigSpace(bytes, "it");
    assert.deepEqual(
      config.capabilities.map(({ id }) => id),
      [0x01, 0x10, 0x05, 0x11, 0x09],
    );
    assert.deepEqual(config.msix?.table, { bar: 0, offset: MSIX_TABLE, size: 128 });
    assert.equal(client.regionInfo(CONFIG).size, 4096);
    assert.equal(readWord(0), 0x5678_1234);
    assert.equal(readWord(8), 0x0880_0003);
  });

  it("sizes BARs, keeps read-only bits, and clears errors by a 1", () => {
    writeWord(0x10, 0xffff_ffff);
    writeWord(0x14, 0xffff_ffff);
    assert.equal(readWord(0x10), 0xffff_c004, "16 KiB, 64 bits, not prefetchable");
    assert.equal(readWord(0x14), 0xffff_ffff);
    writeWord(0x18, 0xffff_ffff);
    assert.equal(readWord(0x18), 0xc000_000c, "1 GiB, 64 bits, prefetchable");
    writeWord(0x18, 0x4000_0000);
    assert.equal(readWord(0x18), 0x4000_000c);
    writeWord(0, 0);
    assert.equal(readWord(0), 0x5678_1234);
    writeWord(4, 0xffff_ffff);
    assert.equal(readWord(4), 0x0010_0546, "command bits stay, status says: capabilities");
  });

  it("resets with the device, by request and by function-level reset", () => {
    for (const reset of [() => client.reset(), () => writeWord(0x48 + 8, 0x8000)]) {
      client.write(0, BUFFER, Uint8Array.of(7));
      writeWord(4, 6);
      client.write(0, MSIX_TABLE, Uint8Array.of(1, 2, 3, 4));
      reset();
      const byte = Uint8Array.of(1);
      client.read(0, BUFFER, byte);
      assert.equal(byte[0], 0);
      assert.equal(readWord(4) & 0xffff, 0);
      const entry = new Uint8Array(16);
      client.read(0, MSIX_TABLE, entry);
      assert.deepEqual([...entry], [...Array<number>(12).fill(0), 1, 0, 0, 0], "vectors are masked");
      assert.equal(readWord(0x48 + 8) & 0x8000, 0);
    }
  });
});
