/** What a device's author writes down: its regions, and what happens when a client uses them. */

import type { HugebarError } from "../../errors.ts";
import type { Area } from "../../layout/areas.ts";
import type { SharedMemory } from "../../memory/shared-memory.ts";
import type { PciDescription } from "./pci/pci-config-space.ts";

/** A value now or later. A later one holds up the client that asked, and nobody else. */
export type MaybePromise<Value> = Value | Promise<Value>;

/** Reads of a region: fills `target` with what stands at `offset`. */
export type ReadHandler = (offset: number, target: Uint8Array) => MaybePromise<void>;

/** Writes to a region: takes `source`, whose bytes are good until the handler is done. */
export type WriteHandler = (offset: number, source: Uint8Array) => MaybePromise<void>;

/**
 * A place in a region where the client only kicks the device, as a driver rings a doorbell: what is written there does
 * not matter, or is always the same. A client that knows how gets an eventfd for it (VFIO_USER_DEVICE_GET_REGION_IO_FDS)
 * and signals that, or has KVM do so, instead of sending a message and waiting for its reply. Messages that write there
 * kick too, and do not come to `write`.
 */
export interface IoEventFd {
  /** Where in the region; a multiple of `size`, and in no area that clients may map. */
  readonly offset: number;
  /** How many bytes are written: 1, 2, 4 or 8; or 0 for any number. */
  readonly size: number;
  /** Only writes of this value kick. */
  readonly datamatch?: bigint;
  /**
   * It was kicked so many times since the last call: signals of an eventfd add up while nobody looks. They overtake
   * messages, and are overtaken.
   */
  readonly onKick: (times: number) => MaybePromise<void>;
}

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
  /** Places where clients only kick; 16 at most. */
  readonly ioeventfds?: readonly IoEventFd[];
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
