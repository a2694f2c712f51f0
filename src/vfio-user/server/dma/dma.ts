/** DMA: how a device's author reads and writes the client's memory. */

import { constants } from "node:os";
import { describeValue, requireBytes, requireOptions, unusable } from "../../../arguments.ts";
import { hugebarError, type HugebarError } from "../../../errors.ts";
import { requireList } from "../../../layout/checks.ts";
import { linux } from "../../../system/libc.ts";
import { SystemCallError } from "../../../system/system.ts";
import type { Entry } from "../../wire/range-table.ts";
import type { ClientMemory, ClientRange } from "./client-memory.ts";
import { lend, type DmaLease, type DmaViewOptions } from "./dma-lease.ts";

export type Direction = "read" | "write";
const TARGET = "the client's memory";

/** Reads or writes client memory by a message; fills `bytes`, or sends them. */
export type AskClient = (direction: Direction, iova: bigint, bytes: Uint8Array) => Promise<void>;

/** A part of the client's memory, in a list of them. */
export interface DmaSegment {
  readonly iova: bigint;
  /** Bytes. */
  readonly length: number;
}

/**
 * One client's memory, seen from the device. Addresses are those that the client has mapped for DMA (IOVAs); an access
 * may run over several mapped pieces that touch. A client that takes memory away waits until the accesses that had begun
 * before are done.
 */
export class Dma {
  readonly #memory: ClientMemory;
  readonly #ask: AskClient;
  readonly #mastersBus: () => boolean;
  #ended = false;

  /** @internal */
  constructor(memory: ClientMemory, ask: AskClient, mastersBus: () => boolean = () => true) {
    this.#memory = memory;
    this.#ask = ask;
    this.#mastersBus = mastersBus;
  }

  /** @internal The client is gone: nothing of it is reached any more. */
  end(): void {
    this.#ended = true;
  }

  /**
   * Fills `target` from the client's memory at `iova`.
   *
   * @throws ERR_ACCESS_RANGE when the client has not mapped all of it; ERR_ACCESS_DENIED when it may not be read, or
   *   the client has switched bus mastering off;
   *   ERR_DISCONNECTED when the client is gone, or goes away; ERR_TIMEOUT, ERR_DEVICE when it answers so.
   */
  async read(iova: bigint, target: Uint8Array): Promise<void> {
    await this.#access("read", iova, target);
  }

  /** Writes `source` to the client's memory at `iova`. Throws as `read` does. */
  async write(iova: bigint, source: Uint8Array): Promise<void> {
    await this.#access("write", iova, source);
  }

  /**
   * The client's memory itself, without a copy, until the lease is released. Only where the client passed a file along
   * that cannot shrink.
   *
   * @throws ERR_NOT_SUPPORTED where it did not; as `read` does otherwise.
   *
   * @example
   * const lease = client.dma.view(0x100000n, 4096);
   * await disk.read(lease.bytes, 0, 4096, 0);
   * lease.release();
   */
  view(iova: bigint, length: number, options: DmaViewOptions = {}): DmaLease {
    requireAddress(iova);
    requireOptions("of a view", options);
    const access = (): string => `map ${describeValue(length)} bytes at 0x${iova.toString(16)}`;
    if (!Number.isSafeInteger(length) || length < 1) {
      const problem = "a view has a whole number of bytes, 1 or more";
      throw hugebarError("ERR_ACCESS_RANGE", { access: access(), target: TARGET, problem });
    }
    this.#checkPresent(access);
    const [entry, ...others] = this.#memory.covering(iova, length) ?? [];
    if (entry === undefined) throw unmapped(access);
    const { readable, writable, reach } = entry.piece;
    // A write to memory that may only be read would end the process.
    if (!readable || !writable) throw denied(access, "readable and writable");
    if (reach.by !== "mapped" || others.length > 0) {
      const problem =
        others.length > 0
          ? "the client has mapped it in several pieces; view each, or use dma.read and dma.write"
          : "its file can shrink, or none was passed along; use dma.read and dma.write";
      throw hugebarError("ERR_NOT_SUPPORTED", { action: `${access()} of ${TARGET}`, problem });
    }
    return lend(this.#memory, entry, reach.mapping, { iova, length }, options);
  }

  /**
   * Fills `target` from segments of the client's memory, one behind the other. All of them are looked at first: one that is not
   * there leaves `target` as it is. Throws as `read` does; ERR_ARGUMENT where `target` is not as long as they are together.
   */
  async readList(segments: readonly DmaSegment[], target: Uint8Array): Promise<void> {
    await this.#accessAll("read", segments, target);
  }

  /** Writes `source` to segments of the client's memory, one behind the other. Throws as `readList` does. */
  async writeList(segments: readonly DmaSegment[], source: Uint8Array): Promise<void> {
    await this.#accessAll("write", segments, source);
  }

  /**
   * The memory itself of segments, as `view` lends it: one lease for each part that the client has mapped in one piece, in order.
   * All or none. Throws as `view` does, but for segments that run over several pieces.
   */
  viewList(segments: readonly DmaSegment[], options: DmaViewOptions = {}): DmaLease[] {
    requireList("segments", segments);
    const leases: DmaLease[] = [];
    try {
      for (const { iova, length } of segments) {
        const access = (): string => `map ${length} bytes at 0x${iova.toString(16)}`;
        this.#checkPresent(access);
        const entries = this.#memory.covering(iova, length);
        if (entries === null) throw unmapped(access);
        for (const { piece } of entries) {
          const [start, end] = cut(piece, iova, length);
          leases.push(this.view(start, Number(end - start), options));
        }
      }
      return leases;
    } catch (error) {
      for (const lease of leases) lease.release();
      throw error;
    }
  }

  async #accessAll(direction: Direction, segments: readonly DmaSegment[], bytes: Uint8Array): Promise<void> {
    requireList("segments", segments);
    const length = segments.reduce((sum, segment) => sum + segment.length, 0);
    if (length !== bytes.length) {
      const problem = `the segments have ${length} bytes`;
      throw hugebarError("ERR_ARGUMENT", { what: `${bytes.length} bytes`, problem });
    }
    for (const segment of segments) this.#covering(direction, segment.iova, segment.length);
    let done = 0;
    for (const segment of segments) {
      await this.#access(direction, segment.iova, bytes.subarray(done, done + segment.length));
      done += segment.length;
    }
  }

  /** The pieces of an access, all of them there and open to it. */
  #covering(direction: Direction, iova: bigint, length: number): Entry<ClientRange>[] {
    const access = (): string => `${direction} ${length} bytes at 0x${iova.toString(16)}`;
    this.#checkPresent(access);
    const entries = this.#memory.covering(iova, length);
    if (entries === null) throw unmapped(access);
    for (const { piece } of entries) {
      if (!(direction === "read" ? piece.readable : piece.writable))
        throw denied(access, direction === "read" ? "readable" : "writable");
    }
    return entries;
  }

  async #access(direction: Direction, iova: bigint, bytes: Uint8Array): Promise<void> {
    requireAddress(iova);
    requireBytes(direction === "read" ? "bytes to read into" : "bytes to write", bytes);
    const access = (): string => `${direction} ${bytes.length} bytes at 0x${iova.toString(16)}`;
    // All of it is looked at first: a part that is not there leaves the others alone.
    const entries = this.#covering(direction, iova, bytes.length);
    const uses = entries.map((entry) => entry.use());
    try {
      let done = 0;
      for (const entry of entries) {
        this.#checkPresent(access);
        const at = iova + BigInt(done);
        const length = Math.min(bytes.length - done, entry.piece.size - Number(at - entry.piece.iova));
        await this.#move(direction, entry, at, bytes.subarray(done, done + length));
        done += length;
      }
    } finally {
      for (const over of uses) over();
    }
  }

  /** Moves a part that lies in one piece. */
  async #move(
    direction: Direction,
    { piece }: Entry<ClientRange>,
    iova: bigint,
    part: Uint8Array,
  ): Promise<void> {
    const { reach } = piece;
    const offset = Number(iova - piece.iova);
    if (reach.by === "mapped") {
      const mapped = reach.mapping.bytes(offset, part.length);
      if (direction === "read") part.set(mapped);
      else mapped.set(part);
    } else if (
      reach.by === "messages" ||
      !accessFile(direction, reach.file.fd, reach.offset + offset, part)
    ) {
      await this.#ask(direction, iova, part);
    }
    if (direction === "write") this.#memory.log.wrote(iova, part.length);
  }

  /** The client is there, and lets the device reach its memory. */
  #checkPresent(access: () => string): void {
    if (this.#ended) {
      throw hugebarError("ERR_DISCONNECTED", {
        action: `${access()} of ${TARGET}`,
        problem: "the client is gone",
      });
    }
    if (this.#mastersBus()) return;
    const problem =
      "the client has switched bus mastering off (PCI_COMMAND_MASTER), or the device into D3hot";
    throw hugebarError("ERR_ACCESS_DENIED", { access: access(), target: TARGET, problem });
  }
}

/** Whether the client has mapped it is another question. */
function requireAddress(iova: unknown): asserts iova is bigint {
  if (typeof iova !== "bigint" || iova < 0n)
    throw unusable("IOVA", iova, "it must be a bigint of 0 and more");
}

/**
 * Reads or writes the client's file; false where the file's kind does not allow that (hugetlbfs cannot be written to),
 * or where it has shrunk. The client is asked then.
 */
function accessFile(direction: Direction, fd: number, offset: number, bytes: Uint8Array): boolean {
  try {
    for (let done = 0; done < bytes.length;) {
      const rest = bytes.subarray(done);
      const count =
        direction === "read" ? linux.pread(fd, rest, offset + done) : linux.pwrite(fd, rest, offset + done);
      if (count === 0) return false;
      done += count;
    }
    return true;
  } catch (error) {
    // Whatever the kernel says of this file, the client may know better.
    if (error instanceof SystemCallError && error.errno !== constants.errno.EFAULT) return false;
    throw error;
  }
}

/** The addresses of a segment that lie in a piece. */
function cut({ iova: first, size }: ClientRange, iova: bigint, length: number): [bigint, bigint] {
  const [end, last] = [iova + BigInt(length), first + BigInt(size)];
  return [iova > first ? iova : first, end < last ? end : last];
}

function unmapped(access: () => string): HugebarError {
  const problem = "the client has not mapped all of it for DMA";
  return hugebarError("ERR_ACCESS_RANGE", { access: access(), target: TARGET, problem });
}

function denied(access: () => string, needed: string): HugebarError {
  const problem = `the client has not made it ${needed}`;
  return hugebarError("ERR_ACCESS_DENIED", { access: access(), target: TARGET, problem });
}
