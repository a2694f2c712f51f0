/** DMA from the driver's side: memory that a device may reach. */

import { hugebarError } from "../errors.ts";
import type { SharedMemory } from "../memory/shared-memory.ts";
import type { Transport } from "./transport.ts";

export interface DmaMapOptions {
  /** The part of the memory to map, in whole pages; all of it, if left out. */
  readonly offset?: number;
  readonly size?: number;
  /** What the device may do; both, if left out. */
  readonly readable?: boolean;
  readonly writable?: boolean;
}

/** Memory that the device may reach, until it is closed. */
export interface DmaMapping {
  /** Where the device sees it. */
  readonly iova: bigint;
  /** Bytes. */
  readonly size: number;
  /** Takes the memory away from the device. A second call does nothing. */
  close(): void;
  [Symbol.dispose](): void;
}

export class DmaSpace {
  readonly #transport: Transport;
  readonly #mappings = new Set<{ readonly release: () => void }>();

  /** @internal */
  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /**
   * Lets the device reach `memory` at the address `iova`, which is any that suits device and driver.
   *
   * @throws ERR_ARGUMENT when the part does not lie in the memory; what the transport throws when it cannot be mapped.
   *
   * @example
   * const memory = new SharedMemory(1 << 20);
   * const mapping = device.dma.map(memory, 0x100000n);
   * memory.bytes(0, 4).set([1, 2, 3, 4]);   // the device reads them at 0x100000
   * mapping.close();
   * memory.close();
   */
  map(memory: SharedMemory, iova: bigint, options: DmaMapOptions = {}): DmaMapping {
    const { offset = 0, size = memory.size - offset, readable = true, writable = true } = options;
    const whole = Number.isSafeInteger(offset) && Number.isSafeInteger(size);
    if (!whole || offset < 0 || size < 1 || offset + size > memory.size) {
      const problem = `the memory has ${memory.size} bytes`;
      throw hugebarError("ERR_ARGUMENT", { what: `${size} bytes at ${offset} for DMA`, problem });
    }
    const release = memory.hold();
    try {
      const address = memory.address + BigInt(offset);
      this.#transport.dmaMap({ address, iova, size, readable, writable, file: { fd: memory.fd, offset } });
    } catch (error) {
      release();
      throw error;
    }
    const held = { release };
    this.#mappings.add(held);
    const close = (): void => {
      if (!this.#mappings.has(held)) return;
      this.#transport.dmaUnmap(iova, size);
      this.#mappings.delete(held);
      release();
    };
    return { iova, size, close, [Symbol.dispose]: close };
  }

  /** @internal The transport is closed, and with it all mappings. */
  close(): void {
    for (const { release } of this.#mappings) release();
    this.#mappings.clear();
  }
}
