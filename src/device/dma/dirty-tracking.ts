import { requireIova, requireOptions, requireWhole } from "../../arguments.ts";
import { hugebarError } from "../../errors.ts";
import type { DirtyLog } from "../transport/transport.ts";
import type { DmaMapping } from "./dma-mapping.ts";
import type { IovaRange } from "../transport/iova-table.ts";

/**
 * Tells which memory the devices of an address space have written, as a live migration needs it. Where the IOMMU keeps no
 * such bits, a container by group (type1) calls every page that a device can write written, always.
 *
 * @example
 * const tracking = device.dma.trackDirty();
 * for (const { first, last } of tracking.written(queue)) console.log(first, last);
 * tracking.close();
 */
export class DirtyTracking {
  /** What one bit of the log stands for, in bytes: what is written is told in multiples of it. */
  readonly pageSize: number;
  readonly #log: DirtyLog;
  #closed = false;

  /** @internal */
  constructor(log: DirtyLog) {
    this.#log = log;
    this.pageSize = log.pageSize;
  }

  /**
   * The parts of a mapping that devices have written, or may have, since it was asked last; in order, neighbours joined.
   *
   * @throws ERR_CLOSED, ERR_ARGUMENT for what is no such range, and what the kernel refuses.
   */
  written(mapping: Pick<DmaMapping, "iova" | "size">): IovaRange[] {
    requireOptions("of a mapping for DMA", mapping);
    const { iova, size } = mapping;
    requireWhole("size", size, 1, MOST_LOGGED);
    requireIova(iova, size);
    if (this.#closed) throw hugebarError("ERR_CLOSED", { what: "the log of what devices write" });
    const pages = Math.ceil(size / this.pageSize);
    return runsOf(this.#log.read(iova, pages * this.pageSize), pages).map(({ start, end }) => ({
      first: iova + BigInt(start * this.pageSize),
      last: iova + BigInt(end * this.pageSize) - 1n,
    }));
  }

  /** Ends the tracking. A second call does nothing. */
  close(): void {
    if (this.#closed) return;
    this.#log.stop();
    this.#closed = true;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** 16 TiB, whose bits take 512 MiB. */
const MOST_LOGGED = 2 ** 44;

/** The runs of bits that are set, of the first `count`. */
export function runsOf(bits: Uint8Array, count: number): { start: number; end: number }[] {
  const runs: { start: number; end: number }[] = [];
  let start = -1;
  for (let at = 0; at <= count; at += 1) {
    const isSet = at < count && ((bits[at >>> 3] ?? 0) & (1 << (at & 7))) !== 0;
    if (isSet && start === -1) start = at;
    if (isSet || start === -1) continue;
    runs.push({ start, end: at });
    start = -1;
  }
  return runs;
}
