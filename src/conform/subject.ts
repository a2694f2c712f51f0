/** The area under test, as it lies in the device's file: what a point maps as it likes. */

import type { IoAddressSpace } from "../device/transport/transport.ts";
import type { MemoryKind } from "./memory-kind.ts";
import type { PagingModel } from "../layout/paging.ts";
import type { System } from "../system/system.ts";

export interface TestedArea {
  readonly system: System;
  readonly model: PagingModel;
  /** The device's file, which the caller owns. */
  readonly fd: number;
  /** Where the area starts in the file, and its bytes. */
  readonly fdOffset: number;
  readonly size: number;
  /** PROT_READ, and PROT_WRITE where the device allows it: nothing is written. */
  readonly protection: number;
  /** An madvise(2) that mappings get unless a point says otherwise; null for none. */
  readonly advice: number | null;
  /** The physical address of the area's first byte. */
  readonly physical: bigint;
}

export interface Subject extends TestedArea {
  /** Why it may be read. */
  readonly kind: MemoryKind;
  readonly device: ControlledDevice;
}

/** What points do to the device besides mapping it. */
export interface ControlledDevice {
  /**
   * Switches memory decoding.
   *
   * @returns false where the device does not take it off
   * @throws ERR_NOT_SUPPORTED where it does not come back: nothing may be touched any more
   */
  decodeMemory(enabled: boolean): boolean;
  /** It was taken out of the machine, or is dead: its configuration space does not answer. */
  isGone(): boolean;
  /** @returns false where the device cannot be reset */
  reset(): boolean;
  /** Where memory is entered for the device's DMA; null where the kernel takes none of a device's there, as iommufd. */
  readonly dma: IoAddressSpace | null;
  /**
   * A dma-buf of a part of the area, in bytes from its start: its descriptor, which is the caller's.
   *
   * @throws ERR_NOT_SUPPORTED where the kernel makes none
   */
  exportDmaBuf(offset: number, size: number): number;
}
