/**
 * How architectures write page tables, first and second stage: what an entry of eight bytes means at each level. Level 1
 * is the last one, whose entries map pages. Entries are two numbers of 32 bits, which is what JavaScript is fast with.
 */

/** - `EMPTY`: maps nothing. - `TABLE`: leads to a table. - `LEAF`: maps memory. - `WRONG`: there is no such entry. */
export const EMPTY = 0;
export const TABLE = 1;
export const LEAF = 2;
export const WRONG = 3;
export type EntryKind = typeof EMPTY | typeof TABLE | typeof LEAF | typeof WRONG;

/** One format of page tables. */
export interface TableFormat {
  readonly name: string;
  /** log2 of the page size, which is also the size of a table. */
  readonly pageShift: number;
  /** The level of the root: the number of levels. */
  readonly levels: number;
  /** log2 of the addresses that the root covers: where it is smaller than a table, or several side by side. */
  readonly addressBits: number;
  kindOf(low: number, high: number, level: number): EntryKind;
  /** The physical address in an entry, below 2^52; what flags leave of a large leaf's lower bits is not zero. */
  physicalOf(low: number, high: number, level: number): number;
}

const TWO_TO_THE_32 = 2 ** 32;

/** log2 of the size of a leaf, or of what a table serves, at a level; of level 1 the page's. */
export function shiftAt({ pageShift }: TableFormat, level: number): number {
  return pageShift + (level - 1) * (pageShift - 3);
}

/** What an x86-64 processor may have set in bits 51 to 12 beside an address. */
interface X86Options {
  /** 4 or 5. */
  readonly levels: number;
  /** The kernel's `physical_mask`, without the bit for encrypted memory. */
  readonly physicalMask?: bigint;
}

/** x86-64, first stage (Intel SDM 3A 4.5, AMD APM 2 5.3). */
export function x86HostFormat({ levels, physicalMask }: X86Options): TableFormat {
  const highMask = maskOf(physicalMask);
  return {
    name: "x86-64",
    pageShift: 12,
    levels,
    addressBits: 12 + 9 * levels,
    kindOf(low, _high, level) {
      if ((low & 1) === 0) return EMPTY;
      if (level === 1) return LEAF;
      if ((low & 0x80) === 0) return TABLE;
      return level <= 3 ? LEAF : WRONG;
    },
    physicalOf: x86Physical(highMask),
  };
}

/**
 * x86-64, second stage of the TDP MMU: EPT and NPT alike have KVM's own "present" in bit 11 (SPTE_MMU_PRESENT_MASK,
 * arch/x86/kvm/mmu/spte.h), which frozen and MMIO entries have not.
 */
export function x86SecondStageFormat({ levels, physicalMask }: X86Options): TableFormat {
  const highMask = maskOf(physicalMask);
  return {
    name: "x86-64 TDP",
    pageShift: 12,
    levels,
    addressBits: 12 + 9 * levels,
    kindOf(low, _high, level) {
      if ((low & 0x800) === 0) return EMPTY;
      if (level === 1) return LEAF;
      if ((low & 0x80) === 0) return TABLE;
      return level <= 3 ? LEAF : WRONG;
    },
    physicalOf: x86Physical(highMask),
  };
}

function maskOf(physicalMask: bigint | undefined): number {
  return physicalMask === undefined ? 0xf_ffff : Number((physicalMask >> 32n) & 0xf_ffffn);
}

function x86Physical(highMask: number): TableFormat["physicalOf"] {
  return (low, high, level) => {
    // Bit 12 of a large leaf is its PAT bit.
    const lowMask = level === 1 ? 0xffff_f000 : 0xffff_e000;
    return (high & highMask) * TWO_TO_THE_32 + ((low & lowMask) >>> 0);
  };
}

/** arm64: the sizes of a kernel's tables. */
export interface Arm64Options {
  /** 12, 14 or 16. */
  readonly pageShift: number;
  /** Bits of addresses that the root serves: `vabits_actual`, or a guest's `ia_bits`. */
  readonly addressBits: number;
  /** The root's level; without it the smallest that serves the address bits. Several tables may lie side by side there. */
  readonly levels?: number;
  /**
   * Whether entries have addresses of 52 bits (LPA2, TCR_ELx.DS, VTCR_EL2.DS): a process's tables of more than 48 bits do; a
   * guest's do where the host's do, however many bits its own addresses have. With pages of 64 KiB it makes no difference.
   */
  readonly hasLpa2?: boolean;
}

/** arm64, both stages (Arm ARM D8.3): bit 0 is "valid", bit 1 tells a table, or a page, from a block. */
export function arm64Format(options: Arm64Options): TableFormat {
  const { pageShift, addressBits, levels } = options;
  const perTable = pageShift - 3;
  // Below its size a block's entry has bits that are no address: nT, or what the processor takes no notice of (D8.3.1), which a
  // handler that does not look at the page frame leaves there.
  const lowMasks = [1, 1, 2, 3].map((level) => (-(2 ** (pageShift + (level - 1) * perTable)) | 0) >>> 0);
  const largest = pageShift === 12 ? 3 : 2;
  // LPA2 has address bits 51 and 50 in 9 and 8; pages of 64 KiB have 51 to 48 in 15 to 12.
  const hasLpa2 = pageShift < 16 && (options.hasLpa2 ?? addressBits > 48);
  return {
    name: `arm64 ${2 ** (pageShift - 10)} KiB`,
    pageShift,
    levels: levels ?? Math.ceil((addressBits - pageShift) / perTable),
    addressBits,
    kindOf(low, _high, level) {
      if ((low & 1) === 0) return EMPTY;
      if (level === 1) return (low & 2) === 0 ? WRONG : LEAF;
      if ((low & 2) !== 0) return TABLE;
      return level <= largest ? LEAF : WRONG;
    },
    physicalOf(low, high, level) {
      const upper = hasLpa2
        ? (high & 0x3_ffff) | ((low & 0x300) << 10)
        : (high & 0xffff) | (pageShift === 16 ? (low & 0xf000) << 4 : 0);
      return upper * TWO_TO_THE_32 + ((low & (lowMasks[level] ?? 0)) >>> 0);
    },
  };
}
