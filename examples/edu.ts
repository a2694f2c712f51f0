/**
 * A driver for QEMU's teaching device, `-device edu`: registers, an interrupt, DMA both ways. Give it the device's PCI
 * address, `node edu.ts 0000:00:04.0`, after `hugebar bind 0000:00:04.0`. docs/write-a-driver.md goes through it.
 */

import { fileURLToPath } from "node:url";
import { openDevice, type Device, type DmaMemory, type Mapping } from "hugebar";

// docs/specs/edu.rst of QEMU
const IDENTIFICATION = 0x00;
const LIVENESS = 0x04;
const FACTORIAL = 0x08;
const STATUS = 0x20;
const STATUS_COMPUTING = 0x01;
const STATUS_RAISE = 0x80;
const INTERRUPT_STATUS = 0x24;
const INTERRUPT_ACKNOWLEDGE = 0x64;
const DMA_SOURCE = 0x80;
const DMA_DESTINATION = 0x88;
const DMA_COUNT = 0x90;
const DMA_COMMAND = 0x98;
const DMA_START = 0x01;
const DMA_TO_MEMORY = 0x02;
const DMA_RAISE = 0x04;
/** Its own memory, 4 KiB. */
const BUFFER = 0x4_0000n;
const BUFFER_SIZE = 4096;
/** It has 28 address lines. */
const HIGHEST = 2n ** 28n - 1n;

export class Edu {
  readonly #device: Device;
  readonly #registers: Mapping;
  readonly #interrupts: AsyncGenerator<number, void, undefined>;
  readonly #memory: DmaMemory;

  constructor(bdf: string, options: { readonly api?: "group" | "cdev" } = {}) {
    this.#device = openDevice(bdf, { enableMemory: true, ...options });
    try {
      this.#registers = this.#device.region(0).map();
      if (this.#registers.read32(IDENTIFICATION) >>> 16 !== 0x0100)
        throw new Error(`${bdf} is no edu device`);
      this.#memory = this.#device.dma.allocate(BUFFER_SIZE, { highest: HIGHEST });
      this.#interrupts = this.#device.interrupts("msi").events(0); // from here on none is lost
      this.#device.enableBusMaster();
    } catch (error) {
      this.#device.close();
      throw error;
    }
  }

  /** What it makes of a number written to it: the number's complement. */
  complement(value: number): number {
    this.#registers.write32(LIVENESS, value);
    return this.#registers.read32(LIVENESS);
  }

  /** Has it compute, and waits for its interrupt. */
  async factorial(value: number): Promise<number> {
    this.#registers.write32(STATUS, STATUS_RAISE);
    this.#registers.write32(FACTORIAL, value);
    await this.#finished(() => (this.#registers.read32(STATUS) & STATUS_COMPUTING) === 0);
    return this.#registers.read32(FACTORIAL);
  }

  /** Has it fetch `bytes`, at most 4 KiB, into its own memory, store them elsewhere in ours, and tells what came back. */
  async roundTrip(bytes: Uint8Array): Promise<Uint8Array> {
    this.#memory.bytes.set(bytes);
    await this.#transfer(this.#memory.iova, BUFFER, bytes.length, 0);
    this.#memory.bytes.fill(0);
    await this.#transfer(BUFFER, this.#memory.iova, bytes.length, DMA_TO_MEMORY);
    return this.#memory.bytes.slice(0, bytes.length);
  }

  async #transfer(source: bigint, destination: bigint, count: number, direction: number): Promise<void> {
    this.#registers.write64(DMA_SOURCE, source);
    this.#registers.write64(DMA_DESTINATION, destination);
    this.#registers.write64(DMA_COUNT, BigInt(count));
    this.#registers.write64(DMA_COMMAND, BigInt(DMA_START | DMA_RAISE | direction));
    await this.#finished(() => (this.#registers.read32(DMA_COMMAND) & DMA_START) === 0);
  }

  /** An interrupt tells that something happened; what it was stands in the registers. */
  async #finished(isDone: () => boolean): Promise<void> {
    do {
      const { done } = await this.#interrupts.next();
      if (done === true) throw new Error("the device was closed");
      this.#registers.write32(INTERRUPT_ACKNOWLEDGE, this.#registers.read32(INTERRUPT_STATUS));
    } while (!isDone());
  }

  close(): void {
    this.#device.close(); // mapping, memory and interrupts go with it
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [bdf] = process.argv.slice(2);
  if (bdf === undefined) throw new Error("usage: node edu.ts 0000:00:04.0");
  const edu = new Edu(bdf);
  try {
    console.log("complement of 1:", edu.complement(1).toString(16));
    console.log("factorial of 10:", await edu.factorial(10));
    const bytes = new TextEncoder().encode("there and back again");
    console.log("by DMA:", new TextDecoder().decode(await edu.roundTrip(bytes)));
  } finally {
    edu.close();
  }
}
