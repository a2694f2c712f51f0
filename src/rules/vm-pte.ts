/**
 * What `VmPTE` proves. It is the size of all page tables of a process (mm_pgtables_bytes): where it is larger than the tables of
 * everything else can be, the rest is those of device memory.
 */

import type { PagingModel } from "../layout/paging.ts";

/** What a process maps beside device memory. */
export interface OtherMappings {
  /** `VmSize` without the device's, in bytes. */
  readonly bytes: number;
  /** How many there are. */
  readonly count: number;
}

/** No process of a 64-bit machine has more tables above the PMD's: each serves 512 GiB and more. */
const MOST_UPPER_TABLES = 1024;

/** The most bytes of page tables that such mappings can have: in base pages, touched from end to end, each at its own place. */
export function mostPageTables({ bytes, count }: OtherMappings, model: PagingModel): number {
  // A mapping may begin and end within a block.
  const blocks = (size: number): number => Math.ceil(bytes / size) + 2 * count;
  const upper = Math.min(2 * count + Math.ceil(bytes / model.pudSize), MOST_UPPER_TABLES);
  return (
    blocks(model.pmdSize) * model.pteTableSize +
    blocks(model.pudSize) * model.pmdTableSize +
    upper * model.pageSize
  );
}

/** The leaves of a process's device memory, as far as they are known: bytes of page tables at best and at worst. */
export interface DeviceTables {
  readonly least: number;
  readonly most: number;
}

/**
 * Whether the page tables of a process show that device memory which may be in huge leaves or in base pages is in base pages.
 *
 * @param either whether its leaves are all huge, or all base pages: then any that is not huge proves the others
 */
export function provesSmall(
  vmPteBytes: number,
  others: OtherMappings,
  { least, most }: DeviceTables,
  either: boolean,
  model: PagingModel,
): boolean {
  const device = vmPteBytes - mostPageTables(others, model);
  return most > least && (either ? device > least : device >= most);
}
