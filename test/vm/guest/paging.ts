/** How the guest's kernel pages memory, for tests inside: what they expect follows from this, and not from an architecture. */

import { readHostKernel, requireModel } from "../../../src/device/leaves/host-kernel.ts";
import { leafSizes } from "../../../src/layout/paging.ts";
import { linux } from "../../../src/system/libc.ts";

export const { model, arch } = requireModel(readHostKernel(linux));

export const { pageSize, pmdSize } = model;

/** The largest leaf that there is for device memory: 1 GiB on x86-64, a PMD's on arm64. */
export const largest = leafSizes(model)[0] ?? pageSize;

/** A leaf's size as the kernel says it, in pages as a power of two. */
export function orderOf(size: number): number {
  return Math.log2(size / pageSize);
}
