/** What a driver holds of memory that a device may reach. */

import type { SharedMemory } from "../../memory/shared-memory.ts";

/** Memory that the device may reach, until it is closed. */
export interface DmaMapping {
  /** Where the device sees it. */
  readonly iova: bigint;
  /** Bytes. */
  readonly size: number;
  /** Takes the memory away from the device. A second call does nothing, or tries again what failed. */
  close(): void;
  [Symbol.dispose](): void;
}

/** Memory of its own, mapped for DMA. */
export interface DmaMemory extends DmaMapping {
  /** What the device sees at `iova`; empty once closed. */
  readonly bytes: Uint8Array;
  readonly memory: SharedMemory;
}
