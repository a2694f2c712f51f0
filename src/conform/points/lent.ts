/** The memory lent to others by the kernel: to the device's own DMA, and as a dma-buf. */

import { readFileSync } from "node:fs";
import { HugebarError } from "../../errors.ts";
import type { MappedRange } from "../../layout/leaves.ts";
import { formatSize, roundUp } from "../../layout/sizes.ts";
import { MAP_FIXED, MAP_SHARED, PROT_WRITE } from "../../system/constants.ts";
import { SystemCallError } from "../../system/system.ts";
import type { IoAddressSpace } from "../../device/transport/transport.ts";
import { type Bench, CannotJudge, isLacking, type Point } from "../point.ts";
import { reserve } from "../reservation.ts";

const FOLLOW_PFNMAP = 'a77f9489f1d7 ("vfio: use the new follow_pfnmap API")';

export const mappedForDma: Point = {
  name: "mapped_for_dma",
  about: "mapping it for DMA lays its huge leaves, untouched as it is, and unmapping gives all back",
  commits: [FOLLOW_PFNMAP],
  needsHugeLeaves: true,
  run(bench) {
    const { dma } = bench.subject.device;
    if (dma === null) throw new CannotJudge("iommufd takes no memory of a device by its address");
    for (const size of bench.hugeLeaves()) {
      const name = formatSize(size);
      const trial = bench.map({ size });
      const locked = lockedMemory();
      // Once more: what was not given back would be in the way.
      for (const time of ["mapped for DMA", "mapped again"]) {
        bench.note(`${name}, ${time}`, "yes", mapAndUnmap(bench, dma, trial));
      }
      bench.note(`${name}, locked and pinned memory`, locked, lockedMemory());
      bench.expectKept(trial, `${name}, mapped for DMA and never touched`);
      bench.close();
    }
  },
};

/** @returns "yes", or why not */
function mapAndUnmap({ subject }: Bench, dma: IoAddressSpace, { address, size }: MappedRange): string {
  const writable = (subject.protection & PROT_WRITE) !== 0;
  const iova = dma
    .limits()
    .usable.map(({ first, last }) => ({ first: roundUp(first < 1n ? 1n : first, BigInt(size)), last }))
    .find(({ first, last }) => first + BigInt(size) - 1n <= last)?.first;
  if (iova === undefined) throw new CannotJudge(`the IOMMU has no room for ${formatSize(size)}`);
  try {
    dma.map({ address, iova, size, readable: true, writable });
    dma.unmap(iova, size);
    return "yes";
  } catch (error) {
    if (!(error instanceof HugebarError)) throw error;
    // arm_lpae_map_pages: beyond the SMMU's output addresses.
    if (error.cause instanceof SystemCallError && error.cause.code === "ERANGE")
      throw new CannotJudge("the IOMMU does not reach physical addresses as high as the area's");
    // Above all limits: of locked memory, of the group's mappings.
    if (error.cause instanceof SystemCallError && isLacking(error.cause))
      throw new CannotJudge(error.message);
    return error.message;
  }
}

/** `VmLck` and `VmPin` of this process. */
function lockedMemory(): string {
  return (readFileSync("/proc/self/status", "utf8").match(/^Vm(?:Lck|Pin):.*$/gm) ?? [])
    .map((line) => line.replaceAll(/\s+/g, " "))
    .join(", ");
}

export const dmaBuf: Point = {
  name: "dma_buf",
  about:
    "a dma-buf of it has its size, takes no leaf away, and is given the same leaves where it may be mapped itself",
  commits: ['5d74781ebc86 ("vfio/pci: Add dma-buf export support for MMIO regions")'],
  needsHugeLeaves: true,
  run(bench) {
    const { subject } = bench;
    for (const size of bench.hugeLeaves()) {
      const name = formatSize(size);
      const trial = bench.map({ size });
      bench.expectLeaf(trial, 0, `${name}, before`, size);
      const fd = exported(bench, size);
      try {
        const told = /^size:\s*(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"))?.[1];
        bench.note(`${name}, bytes of its dma-buf`, String(size), told ?? "not told");
        bench.expectKept(trial, `${name}, beside its dma-buf`);
        lookAtOwnMapping(bench, fd, size);
      } finally {
        subject.system.close(fd);
      }
      bench.expectKept(trial, `${name}, after it`);
      bench.close();
    }
  },
};

function exported({ subject }: Bench, size: number): number {
  try {
    return subject.device.exportDmaBuf(0, size);
  } catch (error) {
    // Any other refusal is the kernel's, and the point's finding.
    if (error instanceof HugebarError && error.code === "ERR_NOT_SUPPORTED")
      throw new CannotJudge(error.message);
    throw error;
  }
}

/** Up to Linux 7.3 it cannot be mapped: then there is nothing to look at. */
function lookAtOwnMapping(bench: Bench, fd: number, size: number): void {
  const { system, protection, advice, physical } = bench.subject;
  const room = reserve(bench.subject, size, physical);
  try {
    system.mmap(room.address, size, protection, MAP_SHARED | MAP_FIXED, fd, 0);
    if (advice !== null) system.madvise(room.address, size, advice);
    bench.expectLeaf(
      { address: room.address, size, physical },
      0,
      `${formatSize(size)}, by its dma-buf`,
      size,
    );
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error;
  } finally {
    room.release();
  }
}
