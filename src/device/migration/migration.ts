/** A device's own state: where it stands in a migration, and the bytes to be moved. */

import { requireBytes, requireWord } from "../../arguments.ts";
import { hugebarError } from "../../errors.ts";
import type { StateTransfer } from "../transport/transport.ts";
import {
  VFIO_DEVICE_STATE_ERROR,
  VFIO_DEVICE_STATE_PRE_COPY,
  VFIO_DEVICE_STATE_RESUMING,
  VFIO_DEVICE_STATE_RUNNING,
  VFIO_DEVICE_STATE_STOP,
  VFIO_DEVICE_STATE_STOP_COPY,
  VFIO_MIGRATION_PRE_COPY,
  VFIO_MIGRATION_STOP_COPY,
} from "../transport/vfio-abi.ts";

/**
 * `running`: as ever. `stop`: at rest. `stop-copy`: at rest, and its state can be read. `pre-copy`: it runs, and what can be
 * told already can be read. `resuming`: its state is written. `error`: only `device.reset()` helps.
 */
export type MigrationState = "error" | "stop" | "running" | "stop-copy" | "resuming" | "pre-copy";

const NUMBERS: Readonly<Record<MigrationState, number>> = {
  error: VFIO_DEVICE_STATE_ERROR,
  stop: VFIO_DEVICE_STATE_STOP,
  running: VFIO_DEVICE_STATE_RUNNING,
  "stop-copy": VFIO_DEVICE_STATE_STOP_COPY,
  resuming: VFIO_DEVICE_STATE_RESUMING,
  "pre-copy": VFIO_DEVICE_STATE_PRE_COPY,
};
/** Those that a device can be taken to. */
const WANTED = ["stop", "running", "stop-copy", "resuming", "pre-copy"] as const;

export class Migration {
  readonly #device: string;
  readonly #transfer: StateTransfer;
  /** Whether a part of the state can be read while the device runs. */
  readonly preCopy: boolean;

  /** @internal @throws ERR_NOT_SUPPORTED where the device's state cannot be moved */
  constructor(device: string, transfer: StateTransfer | null) {
    const flags = transfer?.flags() ?? 0;
    if (transfer === null || (flags & VFIO_MIGRATION_STOP_COPY) === 0) {
      const problem =
        transfer === null ? "that is done over vfio-user alone" : "the device does not offer it";
      throw hugebarError("ERR_NOT_SUPPORTED", { action: `move the state of ${device}`, problem });
    }
    this.#device = device;
    this.#transfer = transfer;
    this.preCopy = (flags & VFIO_MIGRATION_PRE_COPY) !== 0;
  }

  /** Where it stands. @throws ERR_PROTOCOL for a state that there is not; what the transport throws */
  get state(): MigrationState {
    const number = this.#transfer.state();
    for (const state of ["error", ...WANTED] as const) if (NUMBERS[state] === number) return state;
    const problem = `it says that it is in state ${number}`;
    throw hugebarError("ERR_PROTOCOL", { action: `ask for the state of ${this.#device}`, problem });
  }

  /**
   * Takes the device to a state, over those that lie on the way; returns when it is there.
   *
   * @throws ERR_ARGUMENT for what is no such state; ERR_DEVICE where no way leads there (from `stop-copy` to `pre-copy`,
   *   from `error` to any) or the device cannot do it: `state` tells where it is then
   */
  setState(state: Exclude<MigrationState, "error">): void {
    requireWord("migration state", state, WANTED);
    this.#transfer.setState(NUMBERS[state]);
  }

  /**
   * Fills `target` with what comes next of the device's state, in `stop-copy` or `pre-copy`; returns how many bytes that were. Fewer
   * than there is room for: that was all (in `pre-copy`: for now).
   *
   * @throws ERR_DEVICE where it is in another state, or cannot tell; ERR_PROTOCOL
   */
  read(target: Uint8Array): number {
    requireBytes("target", target);
    return this.#transfer.read(target);
  }

  /**
   * Writes what comes next of another device's state, in `resuming`; it takes effect when the device is taken to `stop`.
   *
   * @throws ERR_DEVICE where it is in another state, or does not take it
   */
  write(source: Uint8Array): void {
    requireBytes("source", source);
    this.#transfer.write(source);
  }
}
