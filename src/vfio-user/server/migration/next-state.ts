/**
 * The arcs between the states of a migration: those of vfio_mig_get_next_state (drivers/vfio/vfio_main.c) without P2P, which
 * is not used in vfio-user.
 */

import {
  VFIO_DEVICE_STATE_PRE_COPY as PRE_COPY,
  VFIO_DEVICE_STATE_RESUMING as RESUMING,
  VFIO_DEVICE_STATE_RUNNING as RUNNING,
  VFIO_DEVICE_STATE_STOP as STOP,
  VFIO_DEVICE_STATE_STOP_COPY as STOP_COPY,
} from "../../../device/transport/vfio-abi.ts";

/** By the present state: where the way leads to each other one, if there is an arc or a way of several. */
const WAYS: ReadonlyMap<number, ReadonlyMap<number, number>> = new Map([
  [
    STOP,
    new Map([
      [RUNNING, RUNNING],
      [PRE_COPY, RUNNING],
      [STOP_COPY, STOP_COPY],
      [RESUMING, RESUMING],
    ]),
  ],
  [
    RUNNING,
    new Map([
      [STOP, STOP],
      [PRE_COPY, PRE_COPY],
      [STOP_COPY, STOP],
      [RESUMING, STOP],
    ]),
  ],
  [
    PRE_COPY,
    new Map([
      [STOP, RUNNING],
      [RUNNING, RUNNING],
      [STOP_COPY, STOP_COPY],
      [RESUMING, RUNNING],
    ]),
  ],
  // Not to PRE_COPY: what was read already would be read again.
  [
    STOP_COPY,
    new Map([
      [STOP, STOP],
      [RUNNING, STOP],
      [RESUMING, STOP],
    ]),
  ],
  [
    RESUMING,
    new Map([
      [STOP, STOP],
      [RUNNING, STOP],
      [PRE_COPY, STOP],
      [STOP_COPY, STOP],
    ]),
  ],
]);

/** The next state on the way from one to another; null where no way leads there. */
export function nextState(from: number, to: number, preCopy: boolean): number | null {
  if (to === PRE_COPY && !preCopy) return null;
  return WAYS.get(from)?.get(to) ?? null;
}
