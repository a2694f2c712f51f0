/** DMA: how a device's author reads and writes the client's memory. */

import { constants } from "node:os";
import { hugebarError, type HugebarError } from "../../../errors.ts";
import { linux } from "../../../system/libc.ts";
import { SystemCallError } from "../../../system/system.ts";
import type { ClientMemory, ClientRange } from "./client-memory.ts";

export type Direction = "read" | "write";
const TARGET = "the client's memory";

/** Reads or writes client memory by a message; fills `bytes`, or sends them. */
export type AskClient = (direction: Direction, iova: bigint, bytes: Uint8Array) => Promise<void>;

/** What the present client gives to DMA: its memory, and its answers to messages. */
export interface DmaClient {
  readonly memory: ClientMemory;
  readonly ask: AskClient;
}

/**
 * The client's memory, seen from the device. Addresses are those that the client has mapped for DMA (IOVAs); an access
 * may run over several mapped pieces that touch.
 */
export class Dma {
  #client: DmaClient | null = null;

  /** @internal Another client, or none. */
  attach(client: DmaClient | null): void {
    this.#client = client;
  }

  /**
   * Fills `target` from the client's memory at `iova`.
   *
   * @throws ERR_ACCESS_RANGE when the client has not mapped all of it; ERR_ACCESS_DENIED when it may not be read;
   *   ERR_DISCONNECTED when there is no client, or it goes away; ERR_TIMEOUT, ERR_DEVICE when it answers so.
   */
  async read(iova: bigint, target: Uint8Array): Promise<void> {
    await this.#access("read", iova, target);
  }

  /** Writes `source` to the client's memory at `iova`. Throws as `read` does. */
  async write(iova: bigint, source: Uint8Array): Promise<void> {
    await this.#access("write", iova, source);
  }

  /**
   * The client's memory itself, without a copy: good until the client unmaps it or goes away, and empty then. Only
   * where the client passed a file along that cannot shrink.
   *
   * @throws ERR_NOT_SUPPORTED where it did not; as `read` does otherwise.
   */
  view(iova: bigint, length: number): Uint8Array {
    const access = `map ${length} bytes at 0x${iova.toString(16)}`;
    const { memory } = this.#present(access);
    const { iova: start, size, readable, writable, reach } = find(memory, iova, access);
    const offset = Number(iova - start);
    if (offset + length > size) throw unmapped(access);
    // A write to memory that may only be read would end the process.
    if (!readable || !writable) throw denied(access, "readable and writable");
    if (reach.by !== "mapped") {
      const problem = "its file can shrink, or none was passed along; use dma.read and dma.write";
      throw hugebarError("ERR_NOT_SUPPORTED", { action: `${access} of ${TARGET}`, problem });
    }
    memory.log.lent(iova, length);
    return new Uint8Array(reach.buffer, offset, length);
  }

  async #access(direction: Direction, iova: bigint, bytes: Uint8Array): Promise<void> {
    const access = `${direction} ${bytes.length} bytes at 0x${iova.toString(16)}`;
    const { memory } = this.#present(access);
    // All of it is looked at first: a part that is not there leaves the others alone.
    const pieces = [...piecesOf(memory, direction, iova, bytes, access)];
    for (const { range, offset, part } of pieces) {
      const { reach } = range;
      if (reach.by === "mapped") {
        const mapped = new Uint8Array(reach.buffer, offset, part.length);
        if (direction === "read") part.set(mapped);
        else mapped.set(part);
      } else if (reach.by === "messages" || !accessFile(direction, reach.fd, reach.offset + offset, part)) {
        await this.#present(access).ask(direction, range.iova + BigInt(offset), part);
      }
      if (direction === "write") memory.log.wrote(range.iova + BigInt(offset), part.length);
    }
  }

  #present(access: string): DmaClient {
    if (this.#client !== null) return this.#client;
    throw hugebarError("ERR_DISCONNECTED", {
      action: `${access} of ${TARGET}`,
      problem: "there is no client",
    });
  }
}

function* piecesOf(
  memory: ClientMemory,
  direction: Direction,
  iova: bigint,
  bytes: Uint8Array,
  access: string,
) {
  for (let done = 0; done < bytes.length;) {
    const at = iova + BigInt(done);
    const range = find(memory, at, access);
    const allowed = direction === "read" ? range.readable : range.writable;
    if (!allowed) throw denied(access, direction === "read" ? "readable" : "writable");
    const offset = Number(at - range.iova);
    const length = Math.min(bytes.length - done, range.size - offset);
    yield { range, offset, part: bytes.subarray(done, done + length) };
    done += length;
  }
}

function find(memory: ClientMemory, iova: bigint, access: string): ClientRange {
  const range = memory.find(iova);
  if (range === undefined) throw unmapped(access);
  return range;
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
    if (error instanceof SystemCallError && error.errno === constants.errno.EINVAL) return false;
    throw error;
  }
}

function unmapped(access: string): HugebarError {
  const problem = "the client has not mapped all of it for DMA";
  return hugebarError("ERR_ACCESS_RANGE", { access, target: TARGET, problem });
}

function denied(access: string, needed: string): HugebarError {
  const problem = `the client has not made it ${needed}`;
  return hugebarError("ERR_ACCESS_DENIED", { access, target: TARGET, problem });
}
