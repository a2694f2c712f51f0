/** What a device's author writes down: its regions, and what happens when a client uses them. */

import type { HugebarError } from "../errors.ts";
import type { Area } from "../layout/areas.ts";
import type { SharedMemory } from "../memory/shared-memory.ts";
import type { PciDescription } from "./pci-config-space.ts";

/** A value now or later. A later one holds up the client that asked, and nobody else. */
export type MaybePromise<Value> = Value | Promise<Value>;

/** Reads of a region: fills `target` with what stands at `offset`. */
export type ReadHandler = (offset: number, target: Uint8Array) => MaybePromise<void>;

/** Writes to a region: takes `source`, whose bytes are good until the handler is done. */
export type WriteHandler = (offset: number, source: Uint8Array) => MaybePromise<void>;

/**
 * One region of a device. With `memory` it is that memory: clients map its `areas` (the whole, if left out), and reach
 * the gaps by messages, which `read` and `write` answer where given, or else the memory does. Without memory every
 * access goes to `read` and `write`; a region that lacks one of them cannot be read, or written.
 */
export interface DeviceRegion {
  /** VFIO_PCI_BAR0_REGION_INDEX … */
  readonly index: number;
  /** Bytes; the memory's size, if left out. */
  readonly size?: number;
  /** `"sparse"`: the server makes memory of the region's size, and closes it in the end. Yours stays open. */
  readonly memory?: SharedMemory | "sparse";
  readonly areas?: readonly Area[];
  readonly readOnly?: boolean;
  readonly read?: ReadHandler;
  readonly write?: WriteHandler;
}

export interface DeviceDescription {
  /** Makes it a PCI device with a configuration space (region 7), whose BARs are the regions 0 to 5. */
  readonly pci?: PciDescription;
  readonly regions: readonly DeviceRegion[];
  /** Puts the device into its first state; a client may ask for it at any time. */
  reset?(): MaybePromise<void>;
  /** A client has come. What this throws goes to `onError` and changes nothing. */
  connected?(): MaybePromise<void>;
  /**
   * The client is gone, and the memory and the eventfds that it lent with it; called once for each that came. `error`
   * is null when it hung up with nothing under way, or the server was closed; else it says what was cut off:
   * ERR_DISCONNECTED (in the middle of a message or of a request), ERR_TIMEOUT (it did not answer), ERR_PROTOCOL
   * (it was hung up on), ERR_SYSTEM.
   */
  disconnected?(error: HugebarError | null): MaybePromise<void>;
}
