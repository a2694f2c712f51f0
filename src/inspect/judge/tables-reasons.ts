/** What page tables show that falls short, host's and guest's: stable codes, and for each a sentence that says what to do. */

import { formatSize } from "../../layout/sizes.ts";

/** What the sentence of such a reason may need. */
export interface TableFacts {
  /** The largest leaf there could be, in bytes. */
  readonly leaf: number;
  /** How far the guest's address is from where that leaf wants it, in bytes. */
  readonly past: number;
  /** How many memory slots of the guest show the mapping. */
  readonly slots: number;
}

const ADVICE = {
  "tables-smaller": () =>
    "the page tables hold smaller leaves than this kernel's rules give at that address: they were made under another setting or advice (before Linux 6.15 and 6.12.29 also by a first touch in the middle of a block), and stay as long as the mapping does: restart the program",
  "tables-larger": () =>
    "the page tables hold larger leaves than this kernel's rules give now: they were made under another setting or advice, and stay as long as the mapping does; once it is mapped anew they will be small",
  "tables-changed": () =>
    "the page tables changed each time they were read, so what they hold is not said: look again once the program has started up",
  "guest-misaligned": ({ leaf, past }: TableFacts) =>
    `in the guest the memory lies 0x${past.toString(16)} past where it would fit the host's address modulo ${formatSize(leaf)}, and no leaf as large can map it: give the guest's firmware room to align the BAR by its size (for QEMU a larger 64-bit PCI window, -global q35-pcihost.pci-hole64-size), or have the monitor align the host's address`,
  "guest-split": ({ slots }: TableFacts) =>
    `the monitor gives the guest ${slots === 1 ? "a part of the mapping" : `the mapping in ${slots} memory slots`}, and no leaf crosses a slot's end: what it cuts out and emulates, such as an MSI-X table, costs a block of each size around it; let the device have its table in another BAR, or the monitor move it (for QEMU x-msix-relocation)`,
  "guest-dirty-log": () =>
    "the monitor logs which pages the guest writes to, as for a migration, and KVM maps what is logged with base pages only: it passes with the migration",
  "guest-host-leaf": () =>
    "the host's own mapping has no larger leaves, and the guest's can be no larger than those: what is said of the mapping is what to do",
  "guest-shadow": () =>
    "KVM runs without its TDP MMU (kvm.tdp_mmu=0, or no nested paging), and the tables it then has are not read: what the guest has is not known",
} as const satisfies Record<string, (facts: TableFacts) => string>;

/** A stable code. */
export type TableReason = keyof typeof ADVICE;

/** All codes, for the manual. */
export const TABLE_REASONS: readonly TableReason[] = Object.keys(ADVICE).filter(isTableReason);

function isTableReason(code: string): code is TableReason {
  return Object.hasOwn(ADVICE, code);
}

export interface AdvisedTableReason {
  readonly code: TableReason;
  readonly advice: string;
}

/** The code with what to do about it, in one sentence without its full stop. */
export function tableReason(code: TableReason, facts: Partial<TableFacts> = {}): AdvisedTableReason {
  return { code, advice: ADVICE[code]({ leaf: 0, past: 0, slots: 1, ...facts }) };
}
