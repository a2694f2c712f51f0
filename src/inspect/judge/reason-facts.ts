/** What is known of a mapping when words are found for what stands in its way. */

import type { Obstacle } from "./gate.ts";
import type { FaultHandler } from "../../rules/handler.ts";
import type { Program } from "../../rules/program.ts";

/** What the sentence of a reason may need. */
export interface ReasonFacts {
  /** The kernel's release. */
  readonly kernel: string;
  /** The architecture, as the kernel names it. */
  readonly arch: string;
  /** What /sys/kernel/mm/transparent_hugepage/enabled says. */
  readonly thp: string | null;
  /** The kernel was built without transparent huge pages. */
  readonly withoutThp: boolean;
  readonly program: Program;
  /** The process's name. */
  readonly command: string;
  /** It asks for huge pages (MADV_HUGEPAGE), as far as is known. */
  readonly advised: boolean;
  /** How a mapping's address misses the boundary of its best leaf: `0x1ff000 past a 2 MiB boundary`; empty for none. */
  readonly miss: string;
  /** Aligning the region gets more than aligning each mapping of it by its own size. */
  readonly needsRegion: boolean;
  /** Aligning each mapping to its own size rounded up to a power of two gets as much as aligning the region. */
  readonly reachedRounded: boolean;
  /** Only an address congruent with the physical one gets the most: aligning the region does not. */
  readonly needsPhysical: boolean;
  /** What the region's first byte would have to be aligned to, in bytes. */
  readonly alignment: number;
  /** How many mappings show the region. */
  readonly pieces: number;
  /** How the memory is reached: `vfio`, `sysfs`, `proc-bus-pci`, `uio`, `mem` or `egm`. */
  readonly path: string;
  /** Null where it is not known. */
  readonly device: string | null;
  /** The device is a function on PCI, which vfio-pci can have. */
  readonly isPci: boolean;
  /** What keeps vfio-pci from taking it. */
  readonly obstacle: Obstacle | null;
  readonly driver: string | null;
  /** The devices that it may be. */
  readonly couldBe: readonly string[];
  /** The process's open files may not be looked at. */
  readonly blind: boolean;
  /** Huge leaves that show wrong memory are there, and not only where the kernel gives the mapping any. */
  readonly isWrong: boolean;
  /** The generation of the handler that lays the leaves. */
  readonly handler: FaultHandler;
}
