/** Where a device stands in a migration: its state, and what is on its way to or from the client. */

import { constants } from "node:os";
import {
  VFIO_DEVICE_STATE_ERROR as ERROR,
  VFIO_DEVICE_STATE_PRE_COPY as PRE_COPY,
  VFIO_DEVICE_STATE_RESUMING as RESUMING,
  VFIO_DEVICE_STATE_RUNNING as RUNNING,
  VFIO_DEVICE_STATE_STOP as STOP,
  VFIO_DEVICE_STATE_STOP_COPY as STOP_COPY,
  VFIO_MIGRATION_PRE_COPY,
  VFIO_MIGRATION_STOP_COPY,
} from "../../../device/transport/vfio-abi.ts";
import { hugebarError } from "../../../errors.ts";
import { DeviceError } from "../../wire/device-error.ts";
import type { MaybePromise } from "../link/session.ts";
import type { DeviceClient } from "../parts/device-client.ts";
import { IncomingState } from "./incoming-state.ts";
import type { MigrationDescription } from "./migration-description.ts";
import { nextState } from "./next-state.ts";
import { OutgoingState } from "./outgoing-state.ts";

const { EINVAL } = constants.errno;

export class ServedMigration {
  readonly #device: MigrationDescription;
  #state = RUNNING;
  #outgoing: OutgoingState | null = null;
  #incoming: IncomingState | null = null;
  /** A change of state that is under way: the client can go meanwhile. */
  #changing: Promise<void> = Promise.resolve();
  #underWay = false;

  constructor(device: MigrationDescription) {
    this.#device = device;
  }

  /** VFIO_MIGRATION_… */
  get flags(): number {
    return VFIO_MIGRATION_STOP_COPY | (this.#preCopies ? VFIO_MIGRATION_PRE_COPY : 0);
  }

  /** VFIO_DEVICE_STATE_… */
  get state(): number {
    return this.#state;
  }

  get #preCopies(): boolean {
    return this.#device.preCopy !== undefined;
  }

  /** No client has begun anything. */
  get untouched(): boolean {
    return this.#state === RUNNING && !this.#underWay;
  }

  /**
   * Takes the device to a state, over those that lie on the way. Where a step fails it stays in the one before it, or in
   * ERROR where that is none any more.
   *
   * @throws DeviceError EINVAL where no way leads there; what the author's functions throw
   */
  async setState(wanted: number, client: DeviceClient): Promise<void> {
    const steps: number[] = [];
    for (let at = this.#state; at !== wanted;) {
      const next = nextState(at, wanted, this.#preCopies);
      if (next === null) throw new DeviceError(EINVAL);
      steps.push((at = next));
    }
    const change = this.#follow(steps, client);
    this.#changing = change.catch(() => {});
    await change;
  }

  async #follow(steps: readonly number[], client: DeviceClient): Promise<void> {
    this.#underWay = true;
    try {
      for (const next of steps) {
        await this.#step(next, client);
        this.#state = next;
      }
    } finally {
      this.#underWay = false;
    }
  }

  /** One arc: what is done on the way from the present state to `next`. */
  async #step(next: number, client: DeviceClient): Promise<void> {
    const device = this.#device;
    if (this.#state === RESUMING) return this.#finishLoading();
    if (next === RUNNING && this.#state === STOP) return device.start?.(client);
    if (next === RUNNING || (next === STOP && this.#state === STOP_COPY)) return this.#endReading();
    if (next === STOP) return device.stop?.(client);
    if (next === RESUMING) this.#incoming = new IncomingState((pieces) => device.load(pieces, client));
    else if (next === PRE_COPY) this.#outgoing = new OutgoingState(() => device.preCopy?.(client) ?? []);
    else if (this.#outgoing === null) this.#outgoing = new OutgoingState(() => device.save(client, false));
    else {
      // One stream: what was read while the device ran, and the rest.
      await this.#outgoing.leave();
      await device.stop?.(client);
      this.#outgoing.continueWith(() => device.save(client, true));
    }
  }

  async #finishLoading(): Promise<void> {
    const incoming = this.#incoming;
    this.#incoming = null;
    try {
      await incoming?.finish();
    } catch (error) {
      this.#state = ERROR;
      throw error;
    }
  }

  async #endReading(): Promise<void> {
    const outgoing = this.#outgoing;
    this.#outgoing = null;
    await outgoing?.leave();
  }

  /** Fills `target` with what comes next of the state; returns how many bytes that were. */
  read(target: Uint8Array): Promise<number> {
    if (this.#outgoing === null) throw new DeviceError(EINVAL);
    return this.#outgoing.read(target);
  }

  write(bytes: Uint8Array): Promise<void> {
    if (this.#incoming === null) throw new DeviceError(EINVAL);
    return this.#incoming.write(bytes);
  }

  /**
   * What a reset does, as one that a client asks for so the one at its end: breaks off what is under way, resets the device
   * by `reset`, and has it run.
   */
  async reset(client: DeviceClient, reset: () => MaybePromise<void>): Promise<void> {
    const broken = this.#incoming?.breakOff(brokenOff());
    await this.#changing;
    await broken;
    this.#incoming = null;
    await this.#endReading();
    const atRest = this.#state !== RUNNING && this.#state !== PRE_COPY;
    this.#state = RUNNING;
    await reset();
    if (atRest) await this.#device.start?.(client);
  }
}

function brokenOff(): Error {
  const problem = "the client has broken off";
  return hugebarError("ERR_DISCONNECTED", { action: "load the device's state", problem });
}
