/** Why the kernel refuses a DMA mapping: its errnos are few, and what they mean is asked of the kernel itself. */

import { readFileSync } from "node:fs";
import type { IovaRange } from "../../device/transport/iova-table.ts";
import type { DmaLimits, DmaRange, IoAddressSpace } from "../../device/transport/transport.ts";
import { hugebarError } from "../../errors.ts";
import { SystemCallError } from "../../system/system.ts";
import { requestError } from "../ioctls/request-error.ts";

/** Its descriptor's number may be another's by now. @throws ERR_CLOSED */
export function requireOpen({ closed, name }: IoAddressSpace): void {
  if (closed) throw hugebarError("ERR_CLOSED", { what: `DMA of ${name}` });
}

/**
 * The error for a mapping that the kernel did not make; other errors stay as they are.
 *
 * The errnos are those of vfio_dma_do_map (drivers/vfio/vfio_iommu_type1.c) and of iopt_map_user_pages
 * (drivers/iommu/iommufd/io_pagetable.c).
 */
export function mapRefusal(space: IoAddressSpace, range: DmaRange, error: unknown): unknown {
  if (!(error instanceof SystemCallError)) return error;
  const { iova, size } = range;
  const action = `map ${size} bytes at 0x${iova.toString(16)} for DMA of ${space.name}`;
  switch (error.code) {
    case "EEXIST":
    case "EADDRINUSE":
      return hugebarError("ERR_BUSY", { action, problem: "something is mapped there already" }, error);
    case "ENOSPC": {
      const problem =
        "the container holds as many mappings as it may; raise dma_entry_limit of vfio_iommu_type1, or map larger pieces";
      return hugebarError("ERR_SYSTEM", { action, problem }, error);
    }
    case "ENOMEM":
      return hugebarError("ERR_SYSTEM", { action, problem: whyNoMemory() }, error);
    case "EFAULT": {
      const problem = "the memory is not this process's, or may not be written by the device";
      return hugebarError("ERR_SYSTEM", { action, problem }, error);
    }
    case "EINVAL":
    case "EOVERFLOW": {
      const problem = whyInvalid(limitsOf(space), range);
      if (problem === null) break;
      return hugebarError(
        "ERR_ARGUMENT",
        { what: `${size} bytes at IOVA 0x${iova.toString(16)}`, problem },
        error,
      );
    }
  }
  return requestError(action, error);
}

/** The device's pages are pinned, and pinned pages count as locked (account_locked_vm). */
function whyNoMemory(): string {
  const limit = lockedMemoryLimit();
  return limit === null
    ? "the kernel has no memory left for it"
    : `the memory that a device reaches is locked, and this process may lock ${limit} bytes; raise \`ulimit -l\` (RLIMIT_MEMLOCK)`;
}

/** What this process may lock, in bytes; null where it is not limited. */
function lockedMemoryLimit(): string | null {
  try {
    const limits = readFileSync("/proc/self/limits", "utf8");
    const soft = /^Max locked memory\s+(\S+)/m.exec(limits)?.[1];
    return soft === undefined || soft === "unlimited" ? null : soft;
  } catch {
    return null;
  }
}

function limitsOf(space: IoAddressSpace): DmaLimits | null {
  try {
    return space.limits();
  } catch {
    return null; // the refusal that is being explained stays the error
  }
}

function whyInvalid(limits: DmaLimits | null, { address, iova, size }: DmaRange): string | null {
  if (limits === null) return null;
  const { alignment, usable } = limits;
  const unit = BigInt(alignment);
  if (iova % unit !== 0n || BigInt(size) % unit !== 0n || address % unit !== 0n) {
    return `address, size and place in memory must be multiples of ${alignment}`;
  }
  const last = iova + BigInt(size) - 1n;
  if (usable.some((range) => range.first <= iova && last <= range.last)) return null;
  return `the IOMMU does not take all of it; usable are ${usable.map(describeRange).join(", ")}`;
}

function describeRange({ first, last }: IovaRange): string {
  return `0x${first.toString(16)} to 0x${last.toString(16)}`;
}
