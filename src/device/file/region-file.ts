import { describeValue, requireBytes } from "../../arguments.ts";
import { hugebarError, type HugebarError } from "../../errors.ts";
import type { MemoryGuard } from "./memory-guard.ts";
import type { RegionInfo, Transport } from "../transport/transport.ts";
import { VFIO_REGION_INFO_FLAG_READ, VFIO_REGION_INFO_FLAG_WRITE } from "../transport/vfio-abi.ts";

/**
 * A region behind the device's file: every offset is reached here, area or gap, one request an access. Ranges and
 * permissions are checked before the transport is asked.
 */
export class RegionFile {
  readonly #transport: Transport;
  readonly #index: number;
  readonly #size: number;
  readonly #name: string;
  readonly #readable: boolean;
  readonly #writable: boolean;
  readonly #scratch = new DataView(new ArrayBuffer(8));
  readonly #words: readonly Uint8Array[];
  readonly #guard: MemoryGuard | null;
  #closed = false;

  /** @param guard of configuration space: what looks at each write */
  constructor(transport: Transport, info: RegionInfo, name: string, guard: MemoryGuard | null = null) {
    this.#transport = transport;
    this.#guard = guard;
    this.#index = info.index;
    this.#size = info.size;
    this.#name = name;
    this.#readable = (info.flags & VFIO_REGION_INFO_FLAG_READ) !== 0;
    this.#writable = (info.flags & VFIO_REGION_INFO_FLAG_WRITE) !== 0;
    // One view for each width, made once: a register access must not allocate.
    this.#words = [0, 1, 2, 3, 4, 5, 6, 7, 8].map((width) => new Uint8Array(this.#scratch.buffer, 0, width));
  }

  read(offset: number, target: Uint8Array): void {
    requireBytes("bytes to read into", target);
    this.#check("read", offset, target.length);
    if (target.length > 0) this.#transport.read(this.#index, offset, target);
  }

  write(offset: number, source: Uint8Array): void {
    requireBytes("bytes to write", source);
    this.#check("write", offset, source.length);
    if (source.length === 0) return;
    const write = (): void => this.#transport.write(this.#index, offset, source);
    if (this.#guard === null) write();
    else this.#guard.writeConfig(offset, source, write);
  }

  /** Reads `width` bytes (1, 2, 4 or 8) in one request, to be taken from the view returned, little-endian. */
  readWord(offset: number, width: number): DataView {
    this.read(offset, this.#word(width));
    return this.#scratch;
  }

  /** Writes what `fill` puts into the view, `width` bytes in one request. */
  writeWord(offset: number, width: number, fill: (word: DataView) => void): void {
    fill(this.#scratch);
    this.write(offset, this.#word(width));
  }

  requireOpen(): void {
    if (this.#closed) throw hugebarError("ERR_CLOSED", { what: `region ${this.#name}` });
  }

  close(): void {
    this.#closed = true;
  }

  #word(width: number): Uint8Array {
    const word = this.#words[width];
    if (word === undefined) throw new RangeError(`no word is ${width} bytes wide`);
    return word;
  }

  #check(access: "read" | "write", offset: number, length: number): void {
    this.requireOpen();
    if (!Number.isSafeInteger(offset) || offset < 0 || offset + length > this.#size) {
      const problem = `the region has ${this.#size} bytes`;
      throw this.#refusal("ERR_ACCESS_RANGE", access, offset, length, problem);
    }
    if (!(access === "read" ? this.#readable : this.#writable)) {
      const problem = `the device does not allow to ${access} it`;
      throw this.#refusal("ERR_ACCESS_DENIED", access, offset, length, problem);
    }
  }

  #refusal(
    code: "ERR_ACCESS_RANGE" | "ERR_ACCESS_DENIED",
    access: "read" | "write",
    offset: number,
    length: number,
    problem: string,
  ): HugebarError {
    const details = {
      access: `${access} ${length} bytes at ${describeValue(offset)}`,
      target: `region ${this.#name}`,
    };
    return hugebarError(code, { ...details, problem });
  }
}
