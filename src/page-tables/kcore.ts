/**
 * The memory of the running kernel: `/proc/kcore`, an ELF core file whose segments say which virtual and, for memory,
 * which physical addresses lie where in it (fs/proc/kcore.c). So neither KASLR nor a randomised direct map matters.
 */

import { closeSync, openSync, readSync } from "node:fs";
import { hugebarError } from "../errors.ts";
import { linux } from "../system/libc.ts";
import { TablesChanged } from "./changed.ts";

const PT_LOAD = 1;
const HEADER_BYTES = 64;
const PROGRAM_HEADER_BYTES = 56;
/** `e_phnum` is 16 bits wide. */
const MOST_SEGMENTS = 0xffff;
/** What the kernel writes as the physical address of what is not plain memory. */
const NO_PHYSICAL = 0xffff_ffff_ffff_ffffn;

/** A stretch of kernel memory in the file. */
export interface Segment {
  readonly virtual: bigint;
  /** Of plain memory; null for modules, vmalloc and the like. */
  readonly physical: bigint | null;
  readonly size: bigint;
  readonly fileOffset: bigint;
}

/** Reads memory by its physical address. */
export interface PhysicalMemory {
  /**
   * Fills the target.
   *
   * @param physical a safe integer
   * @throws TablesChanged where there is no memory: the address came from something that is no page table any more
   */
  readPhysical(physical: number, target: Uint8Array): void;
}

/**
 * The loadable segments of an ELF core file's first bytes.
 *
 * @param read fills `target` from a position in the file; returns how many bytes there were
 * @throws ERR_PROTOCOL for anything that is not such a file
 */
export function readSegments(read: (target: Uint8Array, position: number) => number): Segment[] {
  const header = Buffer.alloc(HEADER_BYTES);
  if (read(header, 0) !== HEADER_BYTES) throw malformed("it is shorter than its header");
  // ELFCLASS64, ELFDATA2LSB
  if (header.readUInt32BE(0) !== 0x7f454c46 || header[4] !== 2 || header[5] !== 1) {
    throw malformed("it is no 64-bit ELF file of this machine's byte order");
  }
  const start = header.readBigUInt64LE(32);
  const each = header.readUInt16LE(54);
  const count = Math.min(header.readUInt16LE(56), MOST_SEGMENTS);
  if (each < PROGRAM_HEADER_BYTES || start > BigInt(Number.MAX_SAFE_INTEGER) - 2n ** 32n) {
    throw malformed("its program headers are not where they can be");
  }
  const table = Buffer.alloc(count * each);
  if (read(table, Number(start)) !== table.length) throw malformed("its program headers are cut short");
  const segments: Segment[] = [];
  for (let index = 0; index < count; index += 1) {
    const at = index * each;
    if (table.readUInt32LE(at) !== PT_LOAD) continue;
    const physical = table.readBigUInt64LE(at + 24);
    const segment = {
      fileOffset: table.readBigUInt64LE(at + 8),
      virtual: table.readBigUInt64LE(at + 16),
      physical: physical === NO_PHYSICAL ? null : physical,
      size: table.readBigUInt64LE(at + 32),
    };
    if (segment.virtual + segment.size > 2n ** 64n || segment.fileOffset + segment.size > 2n ** 63n) {
      throw malformed("a segment lies outside of the address space");
    }
    segments.push(segment);
  }
  return segments;
}

interface PhysicalSegment {
  readonly from: number;
  readonly to: number;
  /** What to add to a physical address for its place in the file. */
  readonly shift: bigint;
  /** The same as a number, where all places of the segment are safe integers; reading by numbers is faster. */
  readonly safeShift: number | null;
  readonly virtual: bigint;
}

/** An open `/proc/kcore`, or a file like it. */
export class Kcore implements PhysicalMemory {
  readonly segments: readonly Segment[];
  readonly #physical: readonly PhysicalSegment[];
  #last: PhysicalSegment | null = null;
  #fd: number;

  /** @throws ERR_PROTOCOL when it is no core file; what `fs` throws when it cannot be opened */
  constructor(path: string) {
    this.#fd = openSync(path, "r");
    try {
      this.segments = readSegments((target, position) => this.#readFile(target, position));
    } catch (error) {
      closeSync(this.#fd);
      throw error;
    }
    this.#physical = this.segments.flatMap(physicalSegment);
  }

  /** Fills the target from kernel memory. @throws TablesChanged where nothing is mapped there */
  readVirtual(address: bigint, target: Uint8Array): void {
    const length = BigInt(target.length);
    for (const { virtual, size, fileOffset } of this.segments) {
      if (address < virtual || address + length > virtual + size) continue;
      this.#fill(target, fileOffset + (address - virtual));
      return;
    }
    throw new TablesChanged(`nothing is at 0x${address.toString(16)}`);
  }

  readPhysical(physical: number, target: Uint8Array): void {
    const found = this.#segmentOf(physical, target.length);
    this.#fill(
      target,
      found.safeShift === null ? found.shift + BigInt(physical) : found.safeShift + physical,
    );
  }

  /** The physical address of plain kernel memory. @throws TablesChanged where the address is none of that */
  physicalOf(address: bigint): number {
    for (const { from, to, virtual } of this.#physical) {
      if (address >= virtual && address < virtual + BigInt(to - from)) {
        return from + Number(address - virtual);
      }
    }
    throw new TablesChanged(`0x${address.toString(16)} is no address of memory`);
  }

  /** Whether there is memory at a physical address. */
  isMemory(physical: number): boolean {
    return this.#physical.some(({ from, to }) => physical >= from && physical < to);
  }

  close(): void {
    if (this.#fd === -1) return;
    closeSync(this.#fd);
    this.#fd = -1;
  }

  #segmentOf(physical: number, length: number): PhysicalSegment {
    const last = this.#last;
    if (last !== null && physical >= last.from && physical + length <= last.to) return last;
    const found = this.#physical.find(({ from, to }) => physical >= from && physical + length <= to);
    if (found === undefined) throw new TablesChanged(`no memory is at physical 0x${physical.toString(16)}`);
    this.#last = found;
    return found;
  }

  #fill(target: Uint8Array, position: number | bigint): void {
    if (this.#readFile(target, position) !== target.length) {
      throw new TablesChanged(`the kernel does not show 0x${position.toString(16)}`);
    }
  }

  /** Fewer bytes at the end of the file, or where the kernel has no memory behind an address. */
  #readFile(target: Uint8Array, position: number | bigint): number {
    let length = 0;
    while (length < target.length) {
      const at = typeof position === "bigint" ? position + BigInt(length) : position + length;
      let bytes: number;
      try {
        // Places beyond what a number holds are read by a bigint, which takes half as long again.
        bytes =
          typeof at === "bigint"
            ? readSync(this.#fd, target, length, target.length - length, at)
            : linux.pread(this.#fd, length === 0 ? target : target.subarray(length), at);
      } catch {
        // EFAULT and EIO: the page went away. A closed file is a fault of the caller, and reads as nothing.
        return length;
      }
      if (bytes === 0) break;
      length += bytes;
    }
    return length;
  }
}

function physicalSegment({ virtual, physical, size, fileOffset }: Segment): PhysicalSegment[] {
  // The image's own segment lies within a segment of memory; no machine has memory from 2^52 on.
  if (physical === null || size === 0n || physical + size > 2n ** 52n) return [];
  const shift = fileOffset - physical;
  const end = Number(physical + size);
  const isSafe = fileOffset + size <= BigInt(Number.MAX_SAFE_INTEGER);
  return [{ from: Number(physical), to: end, shift, safeShift: isSafe ? Number(shift) : null, virtual }];
}

function malformed(problem: string): Error {
  return hugebarError("ERR_PROTOCOL", { action: "read /proc/kcore", problem });
}
