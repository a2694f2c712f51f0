/**
 * An inspection as programs get it, from `inspect()` and as JSON (docs/json.md). Sizes and offsets are numbers of bytes,
 * addresses `"0x…"` strings, leaves go from large to small, and what is not known is null.
 */

import type { LeafCount } from "../layout/leaves.ts";
import type { Evidence, EvidenceSource } from "../rules/evidence.ts";
import type { Verdict } from "./judge/judge.ts";
import type { Reason } from "./judge/reasons.ts";
import type { TableReason } from "./judge/tables-reasons.ts";
import type { Owner } from "./proc/owner.ts";
import type { Unreadable } from "./proc/read-file.ts";

export interface InspectionReport {
  readonly schemaVersion: 1;
  /** Of hugebar. */
  readonly version: string;
  /** The machine's name. */
  readonly host: string | null;
  /** When it was looked at: ISO 8601, in UTC. */
  readonly time: string | null;
  /** `uname -r`; empty where it cannot be read, as `arch` is. */
  readonly kernel: string;
  /** `uname -m` */
  readonly arch: string;
  readonly pageSize: number | null;
  /** The word in brackets of `/sys/kernel/mm/transparent_hugepage/enabled`. */
  readonly thp: "always" | "madvise" | "never" | null;
  readonly summary: InspectionSummary;
  /** Those that map device memory, and those that could not be looked at, by number. */
  readonly processes: readonly ProcessReport[];
}

/** What it comes to. */
export interface InspectionSummary {
  /** How many processes were to be looked at. */
  readonly processes: number;
  /** Those that map device memory. */
  readonly holders: number;
  /** How many regions are mapped, and how many have each verdict. */
  readonly regions: number;
  readonly verdicts: Readonly<Record<Verdict, number>>;
  /** Processes that could not be looked at. */
  readonly unreadable: number;
  /** There may be others that were not even listed (hidepid). */
  readonly hidden: boolean;
  /** 1: something falls short. 4: nothing falls short in what could be judged, and not all could. 0: as good as possible. */
  readonly exitCode: 0 | 1 | 4;
}

export interface ProcessReport {
  readonly pid: number;
  /** Empty where it cannot be read. */
  readonly command: string;
  readonly owner: Owner | null;
  /** Page tables of the whole process. */
  readonly vmPteBytes: number | null;
  /** Why it could not be looked at; null where it could. */
  readonly refused: Unreadable | null;
  /** One for each region that it maps. */
  readonly mappings: readonly MappingReport[];
  /** Its virtual machines of KVM. */
  readonly guests: GuestsReport | null;
}

/** What leaves cost. */
export interface CostReport {
  readonly leaves: readonly LeafCount[] | null;
  readonly faults: number | null;
  readonly pageTableBytes: number | null;
}

export interface MappingReport extends CostReport {
  readonly address: string | null;
  /** What is mapped of the region. */
  readonly size: number;
  readonly perms: string | null;
  /** The mapping's name in `/proc/PID/maps`. */
  readonly path: string | null;
  /** `0000:01:00.0` */
  readonly device: string | null;
  /** Its index. */
  readonly region: number | null;
  readonly regionSize: number | null;
  /** The devices that it may be, where it is not known which of them. */
  readonly candidates: readonly string[];
  /** In the region. */
  readonly offset: number | null;
  readonly physical: string | null;
  /** The leaves there could be, and what they would cost. */
  readonly best: readonly LeafCount[] | null;
  readonly bestFaults: number | null;
  readonly bestPageTableBytes: number | null;
  /** Steps of mapping it for DMA once; `most` is another number where the kernel's name does not tell its rule. */
  readonly dmaSteps: { readonly least: number; readonly most: number } | null;
  /** What it may be, at best and at worst, where it is not known; null where it is. */
  readonly between: readonly CostReport[] | null;
  readonly verdict: Verdict;
  /** How the verdict is known, and what exactly says so. */
  readonly evidence: Evidence;
  readonly evidenceFrom: EvidenceSource;
  /** Why it falls short, and a sentence for each reason. */
  readonly reasons: readonly (Reason | TableReason)[];
  readonly advice: readonly string[];
  /** What the page tables hold; null where they were not read. */
  readonly tables: TablesReport | null;
  /** Its lines in `/proc/PID/maps`. */
  readonly vmas: readonly VmaReport[];
}

export interface VmaReport {
  readonly address: string;
  readonly size: number;
  readonly perms: string;
  readonly fileOffset: string;
}

/** What page tables hold. */
export interface TablesReport {
  /**
   * `changed`: at every attempt to read them. `gone`: the process ended. Of guests also `none`: there are none yet, and
   * `unknown`: those of KVM's shadow MMU, which are not read.
   */
  readonly state: "read" | "changed" | "gone" | "none" | "unknown";
  readonly leaves: readonly LeafCount[] | null;
  /** Bytes that have a leaf; of them, those whose leaf is smaller, and larger, than the kernel's rules give. */
  readonly touchedBytes: number | null;
  readonly smallerBytes: number | null;
  readonly largerBytes: number | null;
}

/** The virtual machines of KVM that a process made. */
export interface GuestsReport {
  /** What the kernel counts of each, its memory included; none where debugfs may not be read. */
  readonly counters: readonly { readonly leaves: readonly LeafCount[] }[];
  /** Second-stage page tables of its control group. */
  readonly secondStageBytes: number | null;
  /** Where memory slots lie on device memory; null where page tables were not read. */
  readonly slots: readonly GuestSlotReport[] | null;
}

export interface GuestSlotReport {
  /** The slot's number. */
  readonly slot: number;
  /** Guest-physical. */
  readonly guestAddress: string;
  /** In the process. */
  readonly address: string;
  readonly size: number;
  readonly device: string | null;
  readonly region: number | null;
  /** In the region. */
  readonly offset: number | null;
  readonly logsDirtyPages: boolean;
  readonly readOnly: boolean;
  /** Of the second stage, by the kernel's rules. */
  readonly leaves: readonly LeafCount[] | null;
  /** The leaves there could be. */
  readonly best: readonly LeafCount[] | null;
  readonly pageTableBytes: number | null;
  readonly tables: TablesReport;
  readonly verdict: Verdict;
  readonly reasons: readonly TableReason[];
  readonly advice: readonly string[];
}
