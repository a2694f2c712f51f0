import { hugebarError, type HugebarError } from "../errors.ts";
import { gapsOf, type Area } from "../layout/areas.ts";
import { isSize } from "../layout/sizes.ts";
import type { Strategy } from "../layout/strategies.ts";
import type { LaidArea, LaidRegion } from "../memory/lay-region.ts";
import type { System } from "../system/system.ts";
import { requireBits } from "./arguments.ts";
import { publish } from "./diagnostics.ts";
import { readHostKernel } from "./host-kernel.ts";
import { MappedAreas, type MappedArea } from "./mapped-areas.ts";
import type { MappedRegion } from "./mapped-region.ts";
import { predictDeviceLeaves, type MappingLayout } from "./mapping-layout.ts";
import type { RegionFile } from "./region-file.ts";
import type { FileCheck } from "./transport.ts";
import { verifyMapping, type Verification, type VerifyOptions } from "./verify.ts";

const MOST_U64 = 2n ** 64n - 1n;

/**
 * A region laid into this process, gaps included, until `close()`.
 *
 * Register access is one access of exactly that width, little-endian. An access that lies whole in an area goes to
 * memory; one that falls into a gap, or over the edge of an area, goes whole through the device's file. Offsets count
 * from the region's first byte.
 *
 * Every access throws ERR_ACCESS_RANGE outside the region, ERR_ACCESS_ALIGNMENT where it is not aligned to its width
 * in an area, ERR_ACCESS_DENIED where the device does not allow it, and ERR_CLOSED after `close()`.
 *
 * @example
 * const bar = device.region(2).map();
 * bar.write32(0x10, 1);
 * console.log(bar.read32(0x10), bar.layout.leaves);
 * bar.close();
 */
export class Mapping {
  readonly region: MappedRegion;
  readonly strategy: Strategy;
  /** What became of the gaps. */
  readonly gapMode: "unmap" | "guard";
  /**
   * The address that offset 0 of the region has, or would have: the first area's address less its offset. 0n where
   * nothing is mapped.
   */
  readonly base: bigint;
  /** The alignment asked for, in bytes. */
  readonly alignment: number;
  /** The areas, in the order of their offsets, with their addresses; whole pages. */
  readonly areas: readonly LaidArea[];
  /** Whether the kernel took the advice MADV_HUGEPAGE for every area. */
  readonly advised: boolean;
  readonly #file: RegionFile;
  readonly #system: System;
  readonly #laid: LaidRegion | null;
  readonly #fileCheck: FileCheck | null;
  readonly #onClose: () => void;
  readonly #readable: boolean;
  readonly #writable: boolean;
  readonly #mapped: MappedAreas;
  #closed = false;
  #finished = false;
  #layout: MappingLayout | null = null;

  /** @internal */
  constructor(parts: {
    readonly region: MappedRegion;
    readonly file: RegionFile;
    readonly system: System;
    readonly strategy: Strategy;
    readonly gapMode: "unmap" | "guard";
    /** Null where nothing is mapped. */
    readonly laid: LaidRegion | null;
    readonly fileCheck: FileCheck | null;
    readonly onClose: () => void;
  }) {
    this.region = parts.region;
    this.strategy = parts.strategy;
    this.gapMode = parts.gapMode;
    this.base = parts.laid?.base ?? 0n;
    this.alignment = parts.laid?.alignment ?? parts.system.pageSize;
    this.areas = parts.laid?.areas ?? [];
    this.advised = parts.laid?.advised ?? false;
    this.#file = parts.file;
    this.#system = parts.system;
    this.#laid = parts.laid;
    this.#fileCheck = parts.fileCheck;
    this.#onClose = parts.onClose;
    this.#readable = parts.region.readable;
    this.#writable = parts.region.writable;
    this.#mapped = new MappedAreas(parts.region, this.areas, parts.system);
  }

  /** The parts that no area covers. */
  get gaps(): readonly Area[] {
    return gapsOf(this.region.size, this.areas);
  }

  /**
   * The file behind the areas is a vfio-user server's, and the server can still cut it off: an access to what is gone
   * ends this process (SIGBUS). `copyOut`, `copyIn`, `view` and `verify` look before they touch, and throw ERR_PROTOCOL;
   * register accesses and views do not. Files in memory that can be sealed have been, so it is false for most servers;
   * where it is true and the server not trusted, `region.map({ map: false })` is safe.
   */
  get canShrink(): boolean {
    return this.#fileCheck !== null;
  }

  /** Whether accesses use the mapping: `setEnabled(false)` sends them through the device's file. */
  get enabled(): boolean {
    return this.#mapped.enabled;
  }

  /**
   * The leaves that this machine's kernel uses for the mapping's real addresses, and what they cost. Where a file of
   * shared memory stands for the device, it is what a device's memory laid out so would get.
   */
  get layout(): MappingLayout {
    this.#layout ??= predictDeviceLeaves(this, readHostKernel(this.#system));
    return this.#layout;
  }

  read8(offset: number): number {
    const area = this.#areaToRead(offset, 1);
    if (area !== null) return area.memory.read8(offset - area.offset);
    return this.#file.readWord(offset, 1).getUint8(0);
  }

  read16(offset: number): number {
    const area = this.#areaToRead(offset, 2);
    if (area !== null) return area.memory.read16(offset - area.offset);
    return this.#file.readWord(offset, 2).getUint16(0, true);
  }

  read32(offset: number): number {
    const area = this.#areaToRead(offset, 4);
    if (area !== null) return area.memory.read32(offset - area.offset);
    return this.#file.readWord(offset, 4).getUint32(0, true);
  }

  read64(offset: number): bigint {
    const area = this.#areaToRead(offset, 8);
    if (area !== null) return area.memory.read64(offset - area.offset);
    return this.#file.readWord(offset, 8).getBigUint64(0, true);
  }

  /** Writes the low 8 bits of `value`. */
  write8(offset: number, value: number): void {
    const area = this.#areaToWrite(offset, 1);
    if (area !== null) area.memory.write8(offset - area.offset, value);
    else this.#file.writeWord(offset, 1, (word) => word.setUint8(0, value));
  }

  write16(offset: number, value: number): void {
    const area = this.#areaToWrite(offset, 2);
    if (area !== null) area.memory.write16(offset - area.offset, value);
    else this.#file.writeWord(offset, 2, (word) => word.setUint16(0, value, true));
  }

  write32(offset: number, value: number): void {
    const area = this.#areaToWrite(offset, 4);
    if (area !== null) area.memory.write32(offset - area.offset, value);
    else this.#file.writeWord(offset, 4, (word) => word.setUint32(0, value, true));
  }

  /** @param value 0 to 2^64 − 1. @throws ERR_ARGUMENT for another */
  write64(offset: number, value: bigint): void {
    if (typeof value !== "bigint" || value < 0n || value > MOST_U64) requireBits("value", value, 64);
    const area = this.#areaToWrite(offset, 8);
    if (area !== null) area.memory.write64(offset - area.offset, value);
    else this.#file.writeWord(offset, 8, (word) => word.setBigUint64(0, value, true));
  }

  /**
   * A register of 64 bits in two halves, the low one first: for devices that take no wider access. What changes in between
   * is torn.
   */
  readLoHi64(offset: number): bigint {
    const low = BigInt(this.read32(offset));
    return low | (BigInt(this.read32(offset + 4)) << 32n);
  }

  /** The same, written; as most devices want it, which act on the high half. @param value 0 to 2^64 − 1 */
  writeLoHi64(offset: number, value: bigint): void {
    requireBits("value", value, 64);
    this.write32(offset, Number(value & 0xffff_ffffn));
    this.write32(offset + 4, Number(value >> 32n));
  }

  /** The same, the high half first: for devices that act on the low half. @param value 0 to 2^64 − 1 */
  writeHiLo64(offset: number, value: bigint): void {
    requireBits("value", value, 64);
    this.write32(offset + 4, Number(value >> 32n));
    this.write32(offset, Number(value & 0xffff_ffffn));
  }

  /**
   * Where `length` bytes of one area stand in this process, for those who pass it on: to another library, or for DMA of
   * another device. They stand there until `close()`, and what touches them after that is not stopped.
   *
   * @throws ERR_ACCESS_RANGE where no single area holds them.
   */
  address(offset: number, length: number = 1): bigint {
    this.#requireOpen();
    const area = isSize(offset) && isSize(length) ? this.#areaAt(offset, length) : null;
    if (area === null) {
      throw this.#refusal(
        "ERR_ACCESS_RANGE",
        offset,
        length,
        "no single area holds it",
        "take the address of",
      );
    }
    return area.laid.address + BigInt(offset - area.offset);
  }

  /** Copies `target.length` bytes from `offset` into `target`. For memory: a register may not be read twice or in part. */
  copyOut(offset: number, target: Uint8Array): void {
    const area = this.#areaToRead(offset, target.length);
    if (area === null) {
      this.#file.read(offset, target);
      return;
    }
    this.#fileCheck?.("read", offset, target.length);
    area.memory.copyOut(offset - area.offset, target);
  }

  /** Copies `source` to `offset`. */
  copyIn(offset: number, source: Uint8Array): void {
    const area = this.#areaToWrite(offset, source.length);
    if (area === null) {
      this.#file.write(offset, source);
      return;
    }
    this.#fileCheck?.("write", offset, source.length);
    area.memory.copyIn(offset - area.offset, source);
  }

  /**
   * A zero-copy `ArrayBuffer` over `length` bytes of one area. It is detached, length 0, once the mapping is closed or
   * switched off; it cannot be transferred elsewhere.
   *
   * @throws ERR_ACCESS_RANGE where no single area holds the range; ERR_ACCESS_DENIED unless the region may be both read
   *   and written, because an access that the mapping forbids would be a fatal signal.
   */
  view(offset: number, length: number): ArrayBuffer {
    this.#requireOpen();
    if (!this.#readable || !this.#writable) {
      throw this.#refusal(
        "ERR_ACCESS_DENIED",
        offset,
        length,
        "a view could be read and written, the region not",
      );
    }
    const area = this.#areaAt(offset, length);
    if (area === null) {
      const problem = this.enabled
        ? "no single area holds it; gaps have no memory"
        : "the mapping is switched off";
      throw this.#refusal("ERR_ACCESS_RANGE", offset, length, problem);
    }
    this.#fileCheck?.("view", offset, length);
    return area.memory.view(offset - area.offset, length);
  }

  /**
   * Touches the leaves of a part of the mapping and compares the page faults and the page tables that this took with
   * the prediction. Only on request: reading a register can have side effects.
   *
   * @throws ERR_NOT_SUPPORTED while the mapping is switched off, or where the region may not be read.
   */
  verify(options: VerifyOptions = {}): Verification {
    this.#requireOpen();
    if (!this.enabled && this.areas.length > 0) {
      throw hugebarError("ERR_NOT_SUPPORTED", {
        action: `verify the mapping of region ${this.region.name}`,
        problem: "it is switched off; call setEnabled(true) first",
      });
    }
    for (const { offset, size } of this.areas) {
      this.#fileCheck?.("touch", offset, Math.min(size, this.region.size - offset));
    }
    return verifyMapping(this, readHostKernel(this.#system), options);
  }

  /** `false` sends every access through the device's file and detaches all views; `true` goes back to memory. */
  setEnabled(enabled: boolean): void {
    this.#requireOpen();
    this.#mapped.setEnabled(enabled);
  }

  /**
   * Detaches every view, then unmaps. After it every access throws ERR_CLOSED. A second call does nothing, or tries again
   * to unmap what could not be.
   *
   * @throws ERR_SYSTEM where the kernel does not unmap it
   */
  close(): void {
    if (this.#finished) return;
    this.#closed = true;
    const reachable = this.#mapped.detach();
    this.#laid?.release(reachable);
    this.#finished = true;
    this.#onClose();
    if (this.#laid === null) return;
    publish("region.unmap", {
      device: this.region.deviceName,
      region: this.region.index,
      base: this.base,
      areas: this.areas,
    });
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #areaToRead(offset: number, length: number): MappedArea | null {
    return this.#readable ? this.#areaAt(offset, length) : this.#none();
  }

  #areaToWrite(offset: number, length: number): MappedArea | null {
    return this.#writable ? this.#areaAt(offset, length) : this.#none();
  }

  /** The area that holds the whole range, or null where the device's file must serve it. */
  #areaAt(offset: number, length: number): MappedArea | null {
    const recent = this.#mapped.recent(offset, length);
    if (recent !== null) return recent;
    this.#requireOpen();
    return this.#mapped.find(offset, length);
  }

  /** No memory for this access: the device's file refuses it, with the right error. */
  #none(): null {
    this.#requireOpen();
    return null;
  }

  #requireOpen(): void {
    if (this.#closed) {
      throw hugebarError("ERR_CLOSED", { what: `the mapping of region ${this.region.name}` });
    }
  }

  #refusal(
    code: "ERR_ACCESS_RANGE" | "ERR_ACCESS_DENIED",
    offset: number,
    length: number,
    problem: string,
    verb = "view",
  ): HugebarError {
    const access = `${verb} ${String(length)} bytes at ${String(offset)}`;
    return hugebarError(code, { access, target: `region ${this.region.name}`, problem });
  }
}
