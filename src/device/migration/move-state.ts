/** Moving a device's state to another device of the same kind, from end to end. */

import { requireOptions, requireWhole } from "../../arguments.ts";
import type { Migration } from "./migration.ts";

/** So much is moved at a time. */
const PIECE = 2 ** 20;

/** What a device is to this: `Device` is one. */
export interface Movable {
  readonly migration: Migration;
  reset(): void;
}

export interface MoveOptions {
  /**
   * How many bytes are moved while the source still runs, at most; it is stopped as soon as it has nothing more to tell then.
   * 2^30 if left out; 0 stops it first.
   */
  readonly preCopyBytes?: number;
}

/**
 * Moves the state of `source` to `target`: afterwards the source is stopped, and the target runs in its place. What its client
 * holds is not part of it: configuration space, interrupts and DMA mappings are set up anew at the target, best before.
 *
 * Where it fails, the source runs on and the target is reset; where one of these fails too, or is gone, the first failure is
 * what is thrown.
 *
 * @throws ERR_NOT_SUPPORTED where one of them cannot be moved; ERR_DEVICE where one refuses; what the transports throw
 *
 * @example
 * moveState(openDevice("vfio-user:/run/old.sock"), openDevice("vfio-user:/run/new.sock"));
 */
export function moveState(source: Movable, target: Movable, options: MoveOptions = {}): void {
  requireOptions("of moving", options);
  const { preCopyBytes = 2 ** 30 } = options;
  requireWhole("preCopyBytes", preCopyBytes, 0);
  const [from, to] = [source.migration, target.migration];
  try {
    to.setState("resuming");
    if (from.preCopy && preCopyBytes > 0) {
      from.setState("pre-copy");
      pump(from, to, preCopyBytes);
    }
    from.setState("stop-copy");
    pump(from, to, Infinity);
    to.setState("stop");
    from.setState("stop");
    to.setState("running");
  } catch (error) {
    attempt(() => target.reset());
    attempt(() => from.setState("running"));
    throw error;
  }
}

/** Until there is nothing to read, or so much is moved. */
function pump(from: Migration, to: Migration, most: number): void {
  const piece = new Uint8Array(PIECE);
  for (let moved = 0; moved < most;) {
    const count = from.read(piece);
    to.write(piece.subarray(0, count));
    moved += count;
    if (count < piece.length) return;
  }
}

function attempt(undo: () => void): void {
  try {
    undo();
  } catch {
    // The failure before is the one to be told.
  }
}
