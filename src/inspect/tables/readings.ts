/** What page tables hold for mappings of device memory: as read from this machine's kernel, or as it was recorded. */

import type { LeafCount } from "../../layout/leaves.ts";

/** Leaves of one size that follow one another. */
export interface ReadRun {
  /** Of the first, from the start of the stretch; below 0 where a leaf begins before. */
  readonly offset: number;
  /** Bytes that each maps. */
  readonly leaf: number;
  readonly count: number;
}

/** The leaves that are there. */
export interface ReadLeaves {
  readonly state: "read";
  readonly leaves: readonly LeafCount[];
  /** Bytes of the stretch that have a leaf. */
  readonly touchedBytes: number;
  /** Where they are; null where they are too scattered to say. */
  readonly runs: readonly ReadRun[] | null;
}

/**
 * - `changed`: the tables changed at every attempt to read them.
 * - `gone`: there were none any more, or the process had ended.
 * - `none`: a second stage that has no tables yet.
 * - `unknown`: a second stage of another kind, which is not read: KVM's shadow MMU.
 */
export type TableReading = ReadLeaves | { readonly state: "changed" | "gone" | "none" | "unknown" };

/** A mapping of a process. */
export interface ReadMapping {
  readonly address: bigint;
  readonly size: number;
  readonly reading: TableReading;
}

/** Where a memory slot of a virtual machine lies on one mapping of device memory. */
export interface ReadPiece {
  readonly guestAddress: bigint;
  readonly hostAddress: bigint;
  readonly size: number;
  readonly reading: TableReading;
}

/** A memory slot that lies on device memory, or in part. */
export interface ReadSlot {
  readonly id: number;
  readonly guestAddress: bigint;
  readonly size: number;
  readonly hostAddress: bigint;
  readonly logsDirtyPages: boolean;
  readonly readOnly: boolean;
  /** In the order of the mappings. */
  readonly pieces: readonly ReadPiece[];
}

/** What was read of one process. */
export interface ProcessReading {
  readonly mappings: readonly ReadMapping[];
  /** The virtual machines that it made, each by its slots on device memory; null where that could not be read. */
  readonly machines: readonly (readonly ReadSlot[])[] | null;
}

/** By the number of the process. */
export type Readings = ReadonlyMap<number, ProcessReading>;
