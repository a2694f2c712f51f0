import { describeValue, requireBoolean, requireOptions } from "../../arguments.ts";
import { hugebarError, type HugebarError } from "../../errors.ts";
import { gapsOf, type Area } from "../../layout/areas.ts";
import type { Strategy } from "../../layout/strategies.ts";
import type { LaidArea, LaidRegion } from "../../memory/lay-region.ts";
import { RegionMemory } from "../../memory/region-memory.ts";
import type { System } from "../../system/system.ts";
import { publish } from "./diagnostics.ts";
import { RegionAccess } from "./region-access.ts";
import { readHostKernel, requireModel } from "../leaves/host-kernel.ts";
import type { MappedRegion } from "../leaves/mapped-region.ts";
import { predictDeviceLeaves, type MappingLayout } from "../leaves/mapping-layout.ts";
import type { RegionFile } from "../file/region-file.ts";
import type { FileCheck } from "../transport/transport.ts";
import { verifyMapping, type Verification, type VerifyOptions } from "../leaves/verify.ts";

/** As long as a view is in use, its mapping and the device are: the collector takes neither. */
const mappingOf = new WeakMap<ArrayBuffer, Mapping>();

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
export class Mapping extends RegionAccess {
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
  /**
   * Whether huge pages were forbidden (MADV_NOHUGEPAGE), because this kernel lays them over wrong memory where a mapping is
   * misaligned (Linux before 6.12.10): strategy `region` needs no such thing.
   */
  readonly guarded: boolean;
  readonly #system: System;
  readonly #laid: LaidRegion | null;
  readonly #fileCheck: FileCheck | null;
  readonly #onView: () => void;
  readonly #onUnmap: () => void;
  readonly #onClose: () => void;
  readonly #memory: RegionMemory;
  #wanted = true;
  #reachable = true;
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
    readonly guarded: boolean;
    readonly fileCheck: FileCheck | null;
    readonly onView: () => void;
    /** Called before anything of it is unmapped. */
    readonly onUnmap: () => void;
    readonly onClose: () => void;
  }) {
    const { readable, writable, size, name } = parts.region;
    const memory = new RegionMemory({
      areas: parts.laid?.areas ?? [],
      size,
      target: `region ${name}`,
      readable,
      writable,
      elsewhere: parts.file,
      check: parts.fileCheck,
      system: parts.system,
    });
    super(memory);
    this.#memory = memory;
    this.region = parts.region;
    this.strategy = parts.strategy;
    this.gapMode = parts.gapMode;
    this.base = parts.laid?.base ?? 0n;
    this.alignment = parts.laid?.alignment ?? parts.system.pageSize;
    this.areas = parts.laid?.areas ?? [];
    this.advised = parts.laid?.advised ?? false;
    this.guarded = parts.guarded;
    this.#system = parts.system;
    this.#laid = parts.laid;
    this.#fileCheck = parts.fileCheck;
    this.#onView = parts.onView;
    this.#onUnmap = parts.onUnmap;
    this.#onClose = parts.onClose;
  }

  /** The parts that no area covers. */
  get gaps(): readonly Area[] {
    return gapsOf(this.region.size, this.areas);
  }

  /**
   * The file behind the areas is a vfio-user server's, and the server can still cut it off: an access to what is gone
   * ends this process (SIGBUS). `copyOut`, `copyIn`, `view` and `verify` look before they touch, and throw ERR_PROTOCOL;
   * register accesses and views once made do not. Files in memory that can be sealed have been, so it is false for most servers;
   * where it is true and the server not trusted, `region.map({ map: false })` is safe.
   */
  get canShrink(): boolean {
    return this.#fileCheck !== null;
  }

  /**
   * Whether accesses use the mapping: `setEnabled(false)` sends them through the device's file. So does the device, while
   * touching its memory would be fatal: a write to configuration space that ends memory decoding, D3hot, low power.
   */
  get enabled(): boolean {
    return this.#memory.on;
  }

  /**
   * The leaves that this machine's kernel uses for the mapping's real addresses, and what they cost. Where a file of
   * shared memory stands for the device, it is what a device's memory laid out so would get. On an architecture whose page
   * tables hugebar does not know, whose kernels have no huge leaves for such memory, it is pages, with `model` and
   * `pageTableBytes` null.
   */
  get layout(): MappingLayout {
    this.#layout ??= predictDeviceLeaves(this, readHostKernel(this.#system));
    return this.#layout;
  }

  /**
   * Where `length` bytes of one area stand in this process, for those who pass it on: to another library, or for DMA of
   * another device. They stand there until `close()`, and what touches them after that is not stopped.
   *
   * @throws ERR_ACCESS_RANGE where no single area holds them, and while the mapping is switched off.
   */
  address(offset: number, length: number = 1): bigint {
    this.#requireOpen();
    const address = this.#memory.addressOf(offset, length);
    if (address !== null) return address;
    const problem = this.#off ?? "no single area holds it";
    throw this.#refusal("ERR_ACCESS_RANGE", offset, length, problem, "take the address of");
  }

  /**
   * A zero-copy `ArrayBuffer` over `length` bytes of one area, the same one for the same range. It must not be transferred
   * elsewhere, which its own methods refuse: copy what goes into a byte stream. The address space of a view that was
   * carried off all the same, before `close()` or after it, is never given back.
   *
   * Once the mapping is closed, and while it is switched off, the buffer is harmless memory of its own, which reads 0 and
   * keeps nothing for the device: what still uses it then, a compression on another thread for example, comes to no harm.
   *
   * On arm64 a device's memory takes aligned accesses only, and all others end the process (SIGBUS). There a view of a
   * `device`-backed region is for `Atomics` and single elements of typed arrays; not for `set`, `slice`, `copyWithin`,
   * `fill`, `subarray(…).toString()` and whatever else copies in bulk (`fs`, `zlib`, `Buffer`), nor for `DataView` at
   * offsets that are not aligned. Take `copyOut` and `copyIn`.
   *
   * @throws ERR_ACCESS_RANGE where no single area holds the range; ERR_ACCESS_DENIED unless the region may be both read
   *   and written, because an access that the mapping forbids would be a fatal signal.
   */
  view(offset: number, length: number): ArrayBuffer {
    this.#requireOpen();
    if (!this.region.readable || !this.region.writable) {
      const problem = "a view could be read and written, the region not";
      throw this.#refusal("ERR_ACCESS_DENIED", offset, length, problem);
    }
    const view = this.#memory.view(offset, length);
    if (view !== null) {
      this.#onView();
      mappingOf.set(view, this);
      return view;
    }
    const problem = this.#off ?? "no single area holds it; gaps have no memory";
    throw this.#refusal("ERR_ACCESS_RANGE", offset, length, problem);
  }

  /**
   * Touches the leaves of a part of the mapping and compares them, leaf by leaf, with the prediction: by the addresses of
   * the page faults that this takes, or by the process's counters where the kernel does not tell those
   * (kernel.perf_event_paranoid above 2). Only on request: reading a register can have side effects. Touches stay inside
   * the region, and are reads of aligned words of 4 bytes, since some devices refuse other widths.
   *
   * @throws ERR_ARGUMENT for options that are no whole numbers, or lie outside the region; ERR_NOT_SUPPORTED while the mapping is switched off, where the region may not
   *   be read, or on an architecture whose page tables are not known.
   */
  verify(options: VerifyOptions = {}): Verification {
    this.#requireOpen();
    requireOptions("of verify", options);
    if (!this.enabled && this.areas.length > 0) {
      throw hugebarError("ERR_NOT_SUPPORTED", {
        action: `verify the mapping of region ${this.region.name}`,
        problem: "it is switched off, by setEnabled or with the device's memory",
      });
    }
    for (const { offset, size } of this.areas) {
      this.#fileCheck?.("touch", offset, Math.min(size, this.region.size - offset));
    }
    return verifyMapping(this, requireModel(readHostKernel(this.#system)), options, this.#system);
  }

  /**
   * `false` sends every access through the device's file, and puts harmless memory in the place of what views reach;
   * `true` goes back to memory, views included.
   *
   * @throws ERR_SYSTEM, ERR_REGION_MAP where the kernel refuses that; nothing has changed then
   */
  setEnabled(enabled: boolean): void {
    this.#requireOpen();
    requireBoolean("enabled", enabled);
    const before = this.#wanted;
    this.#wanted = enabled;
    try {
      this.#switch();
    } catch (error) {
      this.#wanted = before;
      throw error;
    }
  }

  /** @internal `false` while touching its memory would be fatal; it comes back with `true`, unless it was switched off. */
  setReachable(reachable: boolean): void {
    if (this.#closed) return;
    this.#reachable = reachable;
    try {
      this.#switch();
    } catch (error) {
      // It was to be switched off for what does not happen now.
      this.#reachable = true;
      throw error;
    }
  }

  #switch(): void {
    const lay = (area: LaidArea): void => this.#laid?.layAgain(area, !this.guarded);
    if (!this.#wanted || !this.#reachable) this.#memory.switchOff(lay);
    else this.#memory.switchOn(lay);
  }

  /**
   * Unmaps it. After it every access throws ERR_CLOSED. Views are harmless memory of their own from then on, and their
   * address space goes back when they are collected (`waitingMemory` tells how much waits). A second call does nothing, or
   * tries again to unmap what could not be.
   *
   * @throws ERR_SYSTEM where the kernel does not unmap it
   */
  close(): void {
    if (this.#finished) return;
    if (!this.#closed) this.#onUnmap();
    this.#closed = true;
    for (const area of this.#memory.close()) this.#laid?.disown(area);
    this.#laid?.release();
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

  /** Why no memory is reached, where that is for now alone. */
  get #off(): string | null {
    return this.areas.length > 0 && !this.enabled ? "the mapping is switched off" : null;
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
    const access = `${verb} ${describeValue(length)} bytes at ${describeValue(offset)}`;
    return hugebarError(code, { access, target: `region ${this.region.name}`, problem });
  }
}
