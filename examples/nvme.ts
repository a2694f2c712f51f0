/** A driver for NVMe disks: identify, a queue pair, reads by MSI-X. `node nvme.ts 0000:00:04.0` says how fast it reads. */
import { fileURLToPath } from "node:url";
import { openDevice, type Device, type DmaMemory, type Mapping } from "hugebar";

// NVM Express Base Specification 2.0: registers, commands, and fields of them.
const [CAP, CC, CSTS, AQA, ASQ, ACQ, DOORBELLS] = [0x00, 0x14, 0x1c, 0x24, 0x28, 0x30, 0x1000];
const CC_ENABLE = 1 | (6 << 16) | (4 << 20); // entries of 2^6 and 2^4 bytes
const [CSTS_READY, CSTS_FATAL] = [1, 2];
const [CREATE_SQ, CREATE_CQ, IDENTIFY, READ] = [0x01, 0x05, 0x06, 0x02];
const [IDENTIFY_NAMESPACE, IDENTIFY_CONTROLLER, CONTIGUOUS, INTERRUPTS] = [0, 1, 1, 2];
const [PAGE, ENTRIES] = [4096, 64];

/** A submission queue with its completion queue. */
class QueuePair {
  readonly memory: DmaMemory;
  readonly #submissions: Uint32Array;
  readonly #completions: Uint32Array;
  readonly #ring: (which: 0 | 1, value: number) => void;
  readonly #waiting: PromiseWithResolvers<void>[] = [];
  readonly #free = Array.from({ length: ENTRIES - 1 }, (_, id) => id);
  #tail = 0; // of submissions
  #head = 0; // of completions, as the phase
  #phase = 1;

  constructor(device: Device, registers: Mapping, id: number, stride: number) {
    this.memory = device.dma.allocate(2 * PAGE); // 64 entries of 64 bytes, then 64 of 16
    const { buffer, byteOffset } = this.memory.bytes;
    this.#submissions = new Uint32Array(buffer, byteOffset, (ENTRIES * 64) / 4);
    this.#completions = new Uint32Array(buffer, byteOffset + PAGE, (ENTRIES * 16) / 4);
    this.#ring = (which, value) => registers.write32(DOORBELLS + (2 * id + which) * stride, value);
  }

  /** Resolves when the disk has carried out the command, whose data is at `iova`; at most 63 at a time. */
  submit(opcode: number, namespace: number, iova: bigint, dw10: number, dw11 = 0, dw12 = 0): Promise<void> {
    const id = this.#free.pop();
    if (id === undefined) throw new Error("the queue is full");
    const waiting = (this.#waiting[id] = Promise.withResolvers<void>());
    const prp = [Number(iova & 0xffff_ffffn), Number(iova >> 32n)];
    const entry = [opcode | (id << 16), namespace, 0, 0, 0, 0, ...prp, 0, 0, dw10, dw11, dw12, 0, 0, 0];
    this.#submissions.set(entry, this.#tail * 16);
    this.#tail = (this.#tail + 1) % ENTRIES;
    this.#ring(0, this.#tail); // a register write comes after all writes to memory
    return waiting.promise;
  }

  /** Takes what the disk has completed: entries whose phase bit is that of this round. */
  reap(): void {
    const newest = () => Atomics.load(this.#completions, this.#head * 4 + 3);
    const before = this.#head;
    for (let status = newest(); ((status >>> 16) & 1) === this.#phase; status = newest()) {
      this.#head = (this.#head + 1) % ENTRIES;
      if (this.#head === 0) this.#phase ^= 1;
      const id = status & 0xffff;
      this.#free.push(id);
      if (status >>> 17 === 0) this.#waiting[id]?.resolve();
      else this.#waiting[id]?.reject(new Error(`the disk answered status ${status >>> 17}`));
    }
    if (this.#head !== before) this.#ring(1, this.#head);
  }
}

export class Nvme {
  model = "";
  blockSize = 0; // bytes, as size
  size = 0;
  readonly #device: Device;
  readonly #registers: Mapping;
  readonly #admin: QueuePair;
  readonly #io: QueuePair;
  readonly #data: DmaMemory; // a page for each command at a time

  private constructor(device: Device) {
    this.#device = device;
    this.#registers = device.region(0).map();
    const stride = 4 << Number((this.#registers.read64(CAP) >> 32n) & 15n);
    this.#admin = new QueuePair(device, this.#registers, 0, stride);
    this.#io = new QueuePair(device, this.#registers, 1, stride);
    this.#data = device.dma.allocate(ENTRIES * PAGE);
    device.interrupts("msix").listen([0, 1], ({ vector }) => (vector === 0 ? this.#admin : this.#io).reap());
    device.enableBusMaster();
  }

  static async open(bdf: string, options: { readonly api?: "group" | "cdev" } = {}): Promise<Nvme> {
    const device = openDevice(bdf, { enableMemory: true, ...options });
    try {
      const nvme = new Nvme(device);
      await nvme.#start();
      return nvme;
    } catch (error) {
      device.close();
      throw error;
    }
  }

  async #start(): Promise<void> {
    this.#registers.write32(CC, 0);
    await this.#until(0);
    this.#registers.write32(AQA, ((ENTRIES - 1) << 16) | (ENTRIES - 1));
    this.#registers.writeLoHi64(ASQ, this.#admin.memory.iova);
    this.#registers.writeLoHi64(ACQ, this.#admin.memory.iova + BigInt(PAGE));
    this.#registers.write32(CC, CC_ENABLE);
    await this.#until(CSTS_READY);
    const { bytes, iova } = this.#data;
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    await this.#admin.submit(IDENTIFY, 0, iova, IDENTIFY_CONTROLLER);
    this.model = new TextDecoder().decode(bytes.subarray(24, 64)).trim();
    await this.#admin.submit(IDENTIFY, 1, iova, IDENTIFY_NAMESPACE);
    this.blockSize = 2 ** view.getUint8(128 + 4 * (view.getUint8(26) & 15) + 2);
    this.size = Number(view.getBigUint64(0, true)) * this.blockSize;
    const [size, queue] = [((ENTRIES - 1) << 16) | 1, this.#io.memory.iova];
    await this.#admin.submit(CREATE_CQ, 0, queue + BigInt(PAGE), size, (1 << 16) | CONTIGUOUS | INTERRUPTS);
    await this.#admin.submit(CREATE_SQ, 0, queue, size, (1 << 16) | CONTIGUOUS);
  }

  async #until(ready: number): Promise<void> {
    for (let status = ~ready; (status & CSTS_READY) !== ready; await new Promise(setImmediate))
      if (((status = this.#registers.read32(CSTS)) & CSTS_FATAL) !== 0) throw new Error("it has failed");
  }

  /** Reads the 4 KiB at each of the offsets, `depth` at a time (1 to 63); `onPage` sees each before it is overwritten. */
  async read(offsets: readonly number[], depth: number, onPage: (offset: number, page: Uint8Array) => void) {
    let next = 0;
    const worker = async (slot: number): Promise<void> => {
      const page = this.#data.bytes.subarray(slot * PAGE, (slot + 1) * PAGE);
      const iova = this.#data.iova + BigInt(slot * PAGE);
      for (let offset = offsets[next++]; offset !== undefined; offset = offsets[next++]) {
        const block = offset / this.blockSize;
        const [low, high] = [block % 2 ** 32, Math.floor(block / 2 ** 32)];
        await this.#io.submit(READ, 1, iova, low, high, PAGE / this.blockSize - 1);
        onPage(offset, page);
      }
    };
    await Promise.all(Array.from({ length: depth }, (_, slot) => worker(slot)));
  }

  close(): void {
    this.#device.close(); // which resets the disk; memory, mapping and interrupts go with it
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const nvme = await Nvme.open(process.argv[2] ?? "");
  const offsets = Array.from({ length: 10_000 }, (_, index) => (index * PAGE) % nvme.size);
  for (const depth of [1, 32]) {
    console.time(`${offsets.length} reads of ${nvme.model} at depth ${depth}`);
    await nvme.read(offsets, depth, () => {});
    console.timeEnd(`${offsets.length} reads of ${nvme.model} at depth ${depth}`);
  }
  nvme.close();
}
