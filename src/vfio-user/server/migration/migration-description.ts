/** How a device's own state is moved to another server, as its author writes it down. */

import type { MaybePromise } from "../link/session.ts";
import type { DeviceClient } from "../parts/device-client.ts";

/**
 * State on its way out, piece by piece, as a generator yields it. A piece is looked at before the next is asked for, and
 * never afterwards; where pieces end is not kept on the way.
 */
export type StatePieces = Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

/**
 * Lets clients move the device's state (VFIO's migration, version 2). They read what `save` yields, and write it to another
 * server of the same device, where `load` takes it. What clients hold themselves is not part of it: configuration space,
 * MSI-X table, interrupts and DMA mappings they set up anew.
 */
export interface MigrationDescription {
  /**
   * Brings the device to rest: when this has settled, nothing of it changes until `start`, and it neither raises interrupts
   * nor reaches for the client's memory. Where it throws, the device goes on running, and the client is told the errno.
   */
  stop?(client: DeviceClient): MaybePromise<void>;
  /** Lets it go on from the state that it has; called after `stop` alone, but also after a reset. */
  start?(client: DeviceClient): MaybePromise<void>;
  /**
   * What can be told while the device runs: mostly memory, and then what was written in it meanwhile. An empty piece says
   * that there is nothing now, and perhaps more later; the end, that the rest comes with `save`, in the same stream. A client
   * ends it when it likes, between two pieces (`return()`).
   */
  preCopy?(client: DeviceClient): StatePieces;
  /**
   * The state of the device at rest: whole, or, where `preCopied`, what has changed since `preCopy` yielded it, and what that
   * has left out.
   */
  save(client: DeviceClient, preCopied: boolean): StatePieces;
  /**
   * Takes all of that: the pieces of one stream, cut as it happens to come. It begins when the client begins to send, and
   * must check what it takes, for a client can send anything. Where it throws, or where the client breaks off (the pieces
   * end with an error then), the device is in no state to go on: it is reset
   * before it is used again.
   */
  load(pieces: AsyncIterable<Uint8Array>, client: DeviceClient): MaybePromise<void>;
}
