import type { LeafCount } from "../../layout/leaves.ts";
import type { Difference } from "../tables/compare.ts";
import type { TableReading } from "../tables/readings.ts";

/** What page tables hold for the mappings of one region. */
export interface MappingTables {
  /** `read` where all could be read; else why one could not. */
  readonly state: TableReading["state"];
  /** Those that are there, of all mappings, large to small; null where they could not be read. */
  readonly leaves: readonly LeafCount[] | null;
  /** Bytes that have a leaf. */
  readonly touchedBytes: number | null;
  /** How they differ from the kernel's rules; null where those are not known. */
  readonly difference: Difference | null;
  /** Of each mapping, in order. */
  readonly readings: readonly TableReading[];
}
