/** DMA from the driver's side: memory that the devices of a container may reach. */

import { hugebarError } from "../../errors.ts";
import { nextPowerOfTwo, roundUp } from "../../layout/sizes.ts";
import { SharedMemory } from "../../memory/shared-memory.ts";
import { closeEach } from "../../system/closing.ts";
import { isGone } from "../transport/gone.ts";
import type { IoAddressSpace } from "../transport/transport.ts";
import { DirtyTracking } from "./dirty-tracking.ts";
import type { DmaMapping, DmaMemory } from "./dma-mapping.ts";
import { type IovaRange, IovaTable, reservedBetween } from "../transport/iova-table.ts";
import { describeValue, requireBoolean, requireIova, requireOptions, requireWhole } from "../../arguments.ts";

export interface DmaMapOptions {
  /** The part of the memory to map, in whole pages; all of it, if left out. */
  readonly offset?: number;
  readonly size?: number;
  /** What the device may do; both, if left out. */
  readonly readable?: boolean;
  readonly writable?: boolean;
}

export interface DmaAllocateOptions {
  /** The highest address that the device can reach: `2n ** 32n - 1n` for one with 32 address lines; any by default. */
  readonly highest?: bigint;
  /** A power of two that the address is a multiple of; the size rounded up to one by default, at most 2 MiB. */
  readonly alignment?: number;
}

/** What a DMA address space offers. */
export interface DmaRanges {
  /** Where memory may be mapped, in order. */
  readonly usable: readonly IovaRange[];
  /** What lies between: the IOMMU keeps it for itself, as for interrupts. */
  readonly reserved: readonly IovaRange[];
  /** Addresses and sizes of mappings are multiples of it, in bytes. */
  readonly alignment: number;
  /** The sizes of the IOMMU's pages, the smallest first; null where they are not told. */
  readonly pageSizes: readonly number[] | null;
  /** How many mappings more there may be; null where that is not limited, or not told. */
  readonly entriesLeft: number | null;
}

/** Drivers take address 0 for "none", and so do devices; the lowest 64 KiB stay free unless asked for by `map`. */
const LOWEST_ALLOCATED = 0x1_0000n;
const LARGEST_ALIGNMENT = 2 ** 21;

/**
 * A DMA address space, or the part of it that one device has mapped: all devices of a container share one, and reach
 * what any of them mapped. What was mapped by `device.dma` goes with the device, what was mapped by `container.dma` with
 * the container.
 */
export class DmaSpace {
  readonly #space: IoAddressSpace;
  /** Of the whole address space, whoever mapped it. */
  readonly #taken: IovaTable;
  readonly #mappings = new Set<Mapped>();
  #closed = false;

  /** @internal `taken` is shared by all that map into the same address space. */
  constructor(space: IoAddressSpace, taken: IovaTable = new IovaTable()) {
    this.#space = space;
    this.#taken = taken;
  }

  /**
   * Lets the device reach `memory` at the address `iova`, which is any that suits device and driver.
   *
   * @throws ERR_ARGUMENT when the part does not lie in the memory, or the address is none, not aligned, or not usable;
   *   ERR_BUSY where something is mapped there already; ERR_SYSTEM at a limit of the kernel's, which it names; ERR_CLOSED.
   *
   * @example
   * const memory = new SharedMemory(1 << 20);
   * const mapping = device.dma.map(memory, 0x100000n);
   * memory.bytes(0, 4).set([1, 2, 3, 4]);   // the device reads them at 0x100000
   * mapping.close();
   * memory.close();
   */
  map(memory: SharedMemory, iova: bigint, options: DmaMapOptions = {}): DmaMapping {
    this.#requireOpen();
    if (!(memory instanceof SharedMemory)) {
      throw hugebarError("ERR_ARGUMENT", { what: "memory for DMA", problem: "it must be a SharedMemory" });
    }
    requireOptions("for DMA", options);
    const { offset = 0, readable = true, writable = true } = options;
    requireWhole("offset for DMA", offset, 0);
    const { size = memory.size - offset } = options;
    if (!Number.isSafeInteger(size) || size < 1 || offset + size > memory.size) {
      const problem = `the memory has ${memory.size} bytes`;
      throw hugebarError("ERR_ARGUMENT", {
        what: `${describeValue(size)} bytes at ${offset} for DMA`,
        problem,
      });
    }
    requireBoolean("readable", readable);
    requireBoolean("writable", writable);
    if (!readable && !writable) {
      const problem = "the device may neither read nor write it";
      throw hugebarError("ERR_ARGUMENT", { what: "memory for DMA", problem });
    }
    requireIova(iova, size);
    const mapped = this.#enter({ memory, offset, size, iova, readable, writable });
    const close = (): void => this.#leave(mapped);
    return { iova, size, close, [Symbol.dispose]: close };
  }

  /**
   * Memory that the device reaches, of this process, at an address that is free and usable.
   *
   * @param size bytes, from 1; rounded up to whole pages.
   * @throws ERR_ARGUMENT; ERR_SYSTEM where there is no memory, no free address, or a limit of the kernel's is reached.
   *
   * @example
   * const queue = device.dma.allocate(64 * 1024);
   * registers.write64(0x28, queue.iova);
   * queue.bytes.fill(0);
   * queue.close();
   */
  allocate(size: number, options: DmaAllocateOptions = {}): DmaMemory {
    this.#requireOpen();
    requireWhole("size for DMA", size, 1);
    requireOptions("for DMA", options);
    const { usable, alignment: least } = this.#space.limits();
    const whole = roundUp(size, least);
    const { highest = 2n ** 64n - 1n, alignment = Math.min(nextPowerOfTwo(whole), LARGEST_ALIGNMENT) } =
      options;
    requireIova(highest, 1);
    requireWhole("alignment for DMA", alignment, 1);
    const multiple = Math.max(alignment, least);
    if (nextPowerOfTwo(multiple) !== multiple) {
      throw hugebarError("ERR_ARGUMENT", {
        what: `alignment ${alignment}`,
        problem: "it is no power of two",
      });
    }
    const limits = { first: LOWEST_ALLOCATED, last: highest };
    const iova = this.#taken.findFree(usable, BigInt(whole), BigInt(multiple), limits);
    if (iova === null) {
      const problem = `no ${whole} bytes are free up to 0x${highest.toString(16)}`;
      throw hugebarError("ERR_SYSTEM", { action: `allocate memory for DMA of ${this.#space.name}`, problem });
    }
    const memory = new SharedMemory(whole, "hugebar-dma");
    try {
      const mapping = this.map(memory, iova);
      const bytes = memory.bytes(0, size);
      const close = (): void =>
        closeEach(`memory for DMA of ${this.#space.name}`, [() => mapping.close(), () => memory.close()]);
      return { iova, size, bytes, memory, close, [Symbol.dispose]: close };
    } catch (error) {
      memory.close();
      throw error;
    }
  }

  /** What the address space offers, asked anew each time. @throws ERR_CLOSED, and what the transport throws. */
  get ranges(): DmaRanges {
    this.#requireOpen();
    const limits = this.#space.limits();
    return { ...limits, reserved: reservedBetween(limits.usable) };
  }

  /** The addresses that are taken now in the whole address space, in order: by this device and those it shares it with. */
  get taken(): readonly IovaRange[] {
    return this.#taken.ranges;
  }

  /**
   * Begins to log what the devices write, all of the address space's, until it is closed.
   *
   * @throws ERR_NOT_SUPPORTED where nothing keeps such a log: an IOMMU behind an iommufd that has no dirty bits, a
   *   vfio-user server; ERR_CLOSED.
   */
  trackDirty(): DirtyTracking {
    this.#requireOpen();
    return new DirtyTracking(this.#space.logDirty());
  }

  /** @internal What another device of the container maps, or the container itself. */
  another(): DmaSpace {
    return new DmaSpace(this.#space, this.#taken);
  }

  /** @internal What keeps memory where it is, for when nobody closes this. */
  get held(): { clear(): void } & Iterable<HeldMemory> {
    return this.#mappings;
  }

  /** @internal Unmaps what was mapped by this one. Where some of it fails, a further call tries it again. */
  close(): void {
    this.#closed = true;
    const steps = [...this.#mappings].map((mapped) => () => this.#leave(mapped));
    closeEach(`DMA of ${this.#space.name}`, steps);
  }

  #enter({ memory, offset, size, iova, readable, writable }: Wanted): Mapped {
    const range = { first: iova, last: iova + BigInt(size) - 1n };
    const obstacle = this.#taken.overlapping(range);
    if (obstacle !== null) {
      const where = `0x${obstacle.first.toString(16)} to 0x${obstacle.last.toString(16)}`;
      throw hugebarError("ERR_BUSY", {
        action: `map ${size} bytes at 0x${iova.toString(16)} for DMA of ${this.#space.name}`,
        problem: `something is mapped from ${where} already`,
      });
    }
    const release = memory.hold();
    try {
      const address = memory.address + BigInt(offset);
      this.#space.map({ address, iova, size, readable, writable, file: { fd: memory.fd, offset } });
    } catch (error) {
      release();
      throw error;
    }
    const mapped = { range, size, release };
    this.#taken.add(range);
    this.#mappings.add(mapped);
    return mapped;
  }

  #leave(mapped: Mapped): void {
    if (!this.#mappings.has(mapped)) return;
    try {
      if (!this.#space.closed) this.#space.unmap(mapped.range.first, mapped.size);
    } catch (error) {
      // Else the device still reaches the memory, which so stays where it is.
      if (!isGone(error)) throw error;
    }
    this.#mappings.delete(mapped);
    this.#taken.remove(mapped.range);
    mapped.release();
  }

  #requireOpen(): void {
    if (this.#closed || this.#space.closed) {
      throw hugebarError("ERR_CLOSED", { what: `DMA of ${this.#space.name}` });
    }
  }
}

/** Memory that stays where it is until `release`. */
export interface HeldMemory {
  readonly release: () => void;
}

interface Wanted extends Required<DmaMapOptions> {
  readonly memory: SharedMemory;
  readonly iova: bigint;
}

interface Mapped extends HeldMemory {
  readonly range: IovaRange;
  readonly size: number;
}
