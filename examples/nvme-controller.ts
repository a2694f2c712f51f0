/** An NVMe controller whose disk is a file: `node nvme-controller.ts disk.img /run/nvme.sock`, until a signal. */
import { open } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { defineRegisters, serveDevice, type DeviceClient, type WorkerServeOptions } from "hugebar";
import * as nvme from "./nvme-numbers.ts";

const u32 = (command: DataView, at: number) => command.getUint32(at, true);
const u64 = (command: DataView, at: number) => command.getBigUint64(at, true);
/** In the client's memory: the next entry is read at the head, and written at the tail. */
const ring = (base: bigint, entries: number) => ({ base, entries, head: 0, tail: 0 });
type Ring = ReturnType<typeof ring>;
/** Commands come by `sq`, and are completed in `cq`. Pair 0 is for administration, pair 1 for the disk. */
function pairOf(id: number, client: DeviceClient, sq: Ring | null, cq: Ring, vector: number | null) {
  return { id, client, sq, cq, vector, phase: 1, work: Promise.resolve() };
}
type Pair = ReturnType<typeof pairOf>;

/** Where a command's data are: pieces of a page at most, named by two addresses or, where they are more, by a list. */
async function piecesOf(command: DataView, bytes: Uint8Array, { dma }: DeviceClient) {
  const [first, second] = [u64(command, 24), u64(command, 32)];
  let done = Math.min(bytes.length, nvme.PAGE - Number(first % 4096n));
  const pieces: [iova: bigint, bytes: Uint8Array][] = [[first, bytes.subarray(0, done)]];
  const add = (iova: bigint) => pieces.push([iova, bytes.subarray(done, (done += nvme.PAGE))]);
  if (bytes.length > done && bytes.length - done <= nvme.PAGE) add(second);
  for (let at = second, most = 2 * nvme.MOST_PAGES; bytes.length > done; at += 8n, most -= 1) {
    const entry = new DataView(new ArrayBuffer(8));
    await dma.read(at, new Uint8Array(entry.buffer));
    if (at % 4096n < 4088n || bytes.length - done <= nvme.PAGE) add(u64(entry, 0));
    else if (most > 0) at = u64(entry, 0) - 8n; // the list goes on there
    else throw new Error("it goes on and on");
  }
  return pieces;
}

export async function serve({ socket, data }: WorkerServeOptions) {
  const file = await open(String(data), "r+");
  const blocks = BigInt(Math.floor((await file.stat()).size / nvme.BLOCK));
  const registers = defineRegisters(nvme.REGISTERS);
  let pairs: Pair[] = [];
  registers.onWrite("CC", (cc, { client, previous }) => {
    if ((cc & nvme.CC_SHUTDOWN) !== 0) client.run(shutDown);
    if (((cc ^ previous) & nvme.CC_ENABLE) === 0) return;
    const [sizes, sq, cq] = [registers.get("AQA"), registers.get("ASQ"), registers.get("ACQ")];
    const rings = [ring(sq, (sizes & 0xfff) + 1), ring(cq, ((sizes >>> 16) & 0xfff) + 1)] as const;
    const usable = (cc & nvme.CC_SIZES) === nvme.CC_SIZES_HERE && (sq | cq) % 4096n === 0n;
    pairs = (cc & nvme.CC_ENABLE) !== 0 && usable ? [pairOf(0, client, ...rings, 0)] : [];
    registers.set("CSTS", (cc & nvme.CC_ENABLE) === 0 ? 0 : usable ? nvme.CSTS_READY : nvme.CSTS_FATAL);
  });
  async function shutDown(): Promise<void> {
    await file.datasync();
    registers.set("CSTS", registers.get("CSTS") | nvme.CSTS_SHUT_DOWN);
  }
  registers.onWrite("doorbells", (value, { index }) => {
    const pair = pairs[index >> 1];
    const rung = index % 2 === 0 ? pair?.sq : pair?.cq;
    if (!pair || !rung || value >= rung.entries) return;
    rung[index % 2 === 0 ? "tail" : "head"] = value;
    pair.work = pair.work.then(() => work(pair)).catch(() => fail(pair));
  });

  async function work(pair: Pair): Promise<void> {
    const { id, sq, cq, client, vector } = pair;
    if (!sq) return;
    while (sq.head !== sq.tail && (cq.tail + 1) % cq.entries !== cq.head) {
      const command = new DataView(new ArrayBuffer(64));
      await client.dma.read(sq.base + 64n * BigInt(sq.head), new Uint8Array(command.buffer));
      sq.head = (sq.head + 1) % sq.entries;
      const status = await (id === 0 ? administer : access)(pair, command).catch(() => nvme.INTERNAL);
      if (status === null) continue;
      const words = [0, 0, 0, 0, sq.head, id, command.getUint16(2, true), (status << 1) | pair.phase];
      const [entry, at] = [new Uint8Array(new Uint16Array(words).buffer), cq.base + 16n * BigInt(cq.tail)];
      cq.tail = (cq.tail + 1) % cq.entries;
      if (cq.tail === 0) pair.phase ^= 1;
      await put(pair, at, entry.subarray(0, 12));
      await put(pair, at + 12n, entry.subarray(12)); // last, for the client looks at the phase in it
      if (vector !== null) client.irq("msix", vector).trigger();
    }
  }
  /** Writes to the client's memory, unless the pair is no longer there: then that may be somebody else's. */
  async function put(pair: Pair, iova: bigint, bytes: Uint8Array): Promise<void> {
    if (pairs[pair.id] !== pair) throw new Error("the pair is gone");
    await pair.client.dma.write(iova, bytes);
  }
  async function give(pair: Pair, command: DataView, bytes: Uint8Array): Promise<number> {
    for (const [iova, part] of await piecesOf(command, bytes, pair.client)) await put(pair, iova, part);
    return nvme.DONE;
  }
  /** The pair is gone, and its work with it; or its rings are where no memory is. */
  function fail(pair: Pair): void {
    if (pairs[pair.id] === pair) registers.set("CSTS", nvme.CSTS_FATAL);
  }
  async function administer(admin: Pair, command: DataView): Promise<number | null> {
    const [opcode, low, high] = [command.getUint8(0), u32(command, 40), u32(command, 44)];
    const [id, entries, other, base] = [low & 0xffff, (low >>> 16) + 1, high >>> 16, u64(command, 24)];
    const whole = (high & 1) === 1 && base % 4096n === 0n;
    const flaw = !whole ? nvme.BAD_FIELD : entries < 2 || entries > nvme.ENTRIES ? nvme.BAD_SIZE : nvme.DONE;
    const disk = pairs[1];
    if (opcode === nvme.CREATE_CQ) {
      if (id !== 1 || disk) return nvme.BAD_QUEUE;
      if (other > 1 || flaw > 0) return flaw || nvme.BAD_VECTOR;
      pairs[1] = pairOf(1, admin.client, null, ring(base, entries), (high & 2) === 0 ? null : other);
    } else if (opcode === nvme.CREATE_SQ) {
      if (!disk || other !== 1) return nvme.BAD_CQ;
      if (id !== 1 || disk.sq || flaw > 0) return flaw || nvme.BAD_QUEUE;
      pairs[1] = { ...disk, sq: ring(base, entries) };
    } else if (opcode === nvme.DELETE_SQ) {
      if (id !== 1 || !disk?.sq) return nvme.BAD_QUEUE;
      pairs[1] = { ...disk, sq: null }; // no longer the pair of the commands under way
    } else if (opcode === nvme.DELETE_CQ) {
      if (id !== 1 || !disk || disk.sq) return disk?.sq ? nvme.IN_USE : nvme.BAD_QUEUE;
      pairs.pop();
    } else if (opcode === nvme.IDENTIFY) {
      if (low > 1) return nvme.BAD_FIELD;
      if (low === 0 && u32(command, 4) !== 1) return nvme.BAD_NAMESPACE;
      return await give(admin, command, nvme.identifyData(low, blocks));
    } else if (opcode === nvme.SET_FEATURES && low !== nvme.NUMBER_OF_QUEUES) return nvme.BAD_FIELD;
    else if (opcode === nvme.EVENT) return null; // answered when something happens
    else if (opcode !== nvme.SET_FEATURES) return nvme.BAD_OPCODE;
    return nvme.DONE;
  }
  async function access(pair: Pair, command: DataView): Promise<number> {
    const { dma } = pair.client;
    const [opcode, first, control] = [command.getUint8(0), u64(command, 40), u32(command, 48)];
    const length = ((control & 0xffff) + 1) * nvme.BLOCK;
    if (opcode === nvme.READ || opcode === nvme.WRITE) {
      if (u32(command, 4) !== 1) return nvme.BAD_NAMESPACE;
      if (length > nvme.MOST_PAGES * nvme.PAGE) return nvme.BAD_FIELD;
      if (first + BigInt(length / nvme.BLOCK) > blocks) return nvme.OUT_OF_RANGE;
      const [bytes, at] = [new Uint8Array(length), Number(first) * nvme.BLOCK];
      if (opcode === nvme.READ) await file.read(bytes, 0, length, at);
      if (opcode === nvme.READ) return await give(pair, command, bytes);
      for (const [iova, part] of await piecesOf(command, bytes, pair.client)) await dma.read(iova, part);
      if ((await file.write(bytes, 0, length, at)).bytesWritten < length) return nvme.INTERNAL;
      if ((control & nvme.FORCE_UNIT_ACCESS) === 0) return nvme.DONE;
    } else if (opcode !== nvme.FLUSH) return nvme.BAD_OPCODE;
    await file.datasync();
    return nvme.DONE;
  }
  const inBar0 = (offset: number) => ({ bar: 0, offset });
  const msix = { type: "msix", vectors: 2, table: inBar0(0x2000), pba: inBar0(0x3000) } as const;
  const pci = { vendor: 0x1b36, device: 0x10, class: 0x01_0802, capabilities: [msix] };
  const regions = [{ index: 0, size: 0x4000, registers }];
  const server = serveDevice({ pci, regions, reset: () => void (pairs = []) }, { socket });
  return { close: () => server.close().finally(() => file.close()) };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const server = await serve({ data: process.argv[2], socket: process.argv[3] ?? "" });
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => void server.close());
}
