/** One region of a device, as its author writes it down, and what happens when a client uses it. */

import type { Area } from "../../../layout/areas.ts";
import type { SharedMemory } from "../../../memory/shared-memory.ts";
import type { MaybePromise } from "../link/session.ts";
import type { DeviceClient } from "./device-client.ts";
import type { ResetKind } from "./reset-kind.ts";

/** Reads of a region by `client`: fills `target` with what stands at `offset`. */
export type ReadHandler = (offset: number, target: Uint8Array, client: DeviceClient) => MaybePromise<void>;

/** Writes to a region by `client`: takes `source`, whose bytes are good until the handler is done. */
export type WriteHandler = (offset: number, source: Uint8Array, client: DeviceClient) => MaybePromise<void>;

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
  readonly onKick: (times: number, client: DeviceClient) => MaybePromise<void>;
}

/** What `defineRegisters` makes, as a region uses it. */
export interface RegionRegisters {
  readonly size: number;
  readonly read: ReadHandler;
  readonly write: WriteHandler;
  reset(kind: ResetKind): void;
}

/**
 * What a BAR is to PCI. In memory space it has 64 bits of address where the next index is free for its upper half, and is
 * prefetchable, which says that reading it has no side effects, where it has `memory`; either can be said here. In I/O space
 * it has 4 to 256 bytes, 32 bits of address, and can never be mapped.
 */
export type BarKind =
  | { readonly type: "memory"; readonly width?: 32 | 64; readonly prefetchable?: boolean }
  | { readonly type: "io" };

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
  /** Of a PCI device's regions 0 to 5: what kind of BAR it is; in memory space, if left out. */
  readonly bar?: BarKind;
  readonly read?: ReadHandler;
  readonly write?: WriteHandler;
  /**
   * Registers by name, in place of `read` and `write`; they are reset with the device. A region without `size` is the smallest
   * power of two that holds them.
   */
  readonly registers?: RegionRegisters;
  /** Places where clients only kick; 16 at most. */
  readonly ioeventfds?: readonly IoEventFd[];
}
