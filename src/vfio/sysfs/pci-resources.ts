/**
 * The `resource` file of a PCI device in sysfs: one line `START END FLAGS` for each BAR, then for the expansion ROM,
 * then for a bridge's windows. START is the physical address that the CPU uses.
 */

// The flags are the kernel's `struct resource` flags, linux/ioport.h.
const IORESOURCE_IO = 0x100n;
const IORESOURCE_MEM = 0x200n;
const IORESOURCE_PREFETCH = 0x2000n;
const IORESOURCE_MEM_64 = 0x10_0000n;
/** Its address is not the device's: none was found for it. */
const IORESOURCE_UNSET = 0x2000_0000n;

/** The expansion ROM stands behind the six BARs, as in VFIO. */
export const ROM_INDEX = 6;

/** From this size on a BAR is worth huge pages: with pages of 4 KiB it takes 65,536 faults. */
export const LARGE_BAR = 256 * 1024 * 1024;

/** One BAR, or the expansion ROM. */
export interface PciResource {
  /** 0 to 5 for a BAR, 6 for the expansion ROM: VFIO's region index. */
  readonly index: number;
  readonly kind: "memory" | "io";
  /** The physical address, or the first I/O port; 0 where the kernel has not placed it. */
  readonly address: bigint;
  /** Bytes. */
  readonly size: number;
  readonly is64Bit: boolean;
  readonly prefetchable: boolean;
}

/** The resources of a device that has them, in the order of their indices; a malformed line counts as absent. */
export function parseResources(text: string): PciResource[] {
  return text
    .split("\n")
    .slice(0, ROM_INDEX + 1)
    .flatMap((line, index) => parseResource(line, index) ?? []);
}

function parseResource(line: string, index: number): PciResource | null {
  const [, start, end, flagBits] = /^(0x[0-9a-f]+) (0x[0-9a-f]+) (0x[0-9a-f]+)$/.exec(line.trim()) ?? [];
  if (start === undefined || end === undefined || flagBits === undefined) return null;
  const address = BigInt(start);
  const flags = BigInt(flagBits);
  const size = Number(BigInt(end) - address + 1n);
  // An absent BAR reads 0 0 0; the kernel's own file ends inclusive, so that would otherwise count one byte.
  if ((flags & (IORESOURCE_IO | IORESOURCE_MEM)) === 0n || size <= 0 || !Number.isSafeInteger(size))
    return null;
  return {
    index,
    kind: (flags & IORESOURCE_IO) === 0n ? "memory" : "io",
    address: (flags & IORESOURCE_UNSET) === 0n ? address : 0n,
    size,
    is64Bit: (flags & IORESOURCE_MEM_64) !== 0n,
    prefetchable: (flags & IORESOURCE_PREFETCH) !== 0n,
  };
}
