/** For `FakeVfio`: the one address space for DMA that a machine here has. */

import { constants } from "node:os";
import { linux } from "../system/libc.ts";
import { SystemCallError } from "../system/system.ts";

const { EEXIST, EINVAL } = constants.errno;

/** What x86's IOMMUs offer: all that they address but the window for interrupts. */
export const USABLE = [
  { first: 0n, last: 0xfedf_ffffn },
  { first: 0xfef0_0000n, last: 2n ** 39n - 1n },
] as const;

export class FakeSpace {
  /** What is mapped for DMA: sizes by IOVA. */
  readonly mapped = new Map<bigint, bigint>();
  /** Pages that devices have written since they were asked for. */
  readonly dirty = new Set<bigint>();
  /** Whether that is logged. */
  logging = false;

  map(iova: bigint, size: bigint): number {
    const last = iova + size - 1n;
    const isUsable = USABLE.some((range) => range.first <= iova && last <= range.last);
    if (iova % 0x1000n !== 0n || size % 0x1000n !== 0n || !isUsable)
      throw new SystemCallError("ioctl", EINVAL);
    for (const [other, otherSize] of this.mapped) {
      if (other <= last && iova < other + otherSize) throw new SystemCallError("ioctl", EEXIST);
    }
    this.mapped.set(iova, size);
    return 0;
  }

  reportDirty(iova: bigint, address: bigint, size: number): number {
    const bits = new Uint8Array(linux.view(address, size));
    for (const page of this.dirty) {
      const at = Number((page - iova) / 0x1000n);
      if (at >= 0 && at < size * 8) bits[at >>> 3] = (bits[at >>> 3] ?? 0) | (1 << (at & 7));
    }
    this.dirty.clear();
    return 0;
  }
}
