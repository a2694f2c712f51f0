/** Moving a device's state over its socket: VFIO_USER_DEVICE_FEATURE, VFIO_USER_MIG_DATA_READ and VFIO_USER_MIG_DATA_WRITE. */

import { HugebarError } from "../../errors.ts";
import type { StateTransfer } from "../../device/transport/transport.ts";
import {
  VFIO_DEVICE_FEATURE_ARGUMENT,
  VFIO_DEVICE_FEATURE_GET,
  VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE,
  VFIO_DEVICE_FEATURE_MIG_STATE,
  VFIO_DEVICE_FEATURE_MIGRATION,
  VFIO_DEVICE_FEATURE_MIGRATION_DATA,
  VFIO_DEVICE_FEATURE_SET,
} from "../../device/transport/vfio-abi.ts";
import { brokenProtocol } from "../wire/client-faults.ts";
import { requestMessage } from "../wire/message-header.ts";
import {
  VFIO_USER_DEVICE_FEATURE,
  VFIO_USER_MIG_DATA,
  VFIO_USER_MIG_DATA_READ,
  VFIO_USER_MIG_DATA_WRITE,
} from "../wire/protocol.ts";
import type { PeerLimits } from "../wire/version.ts";
import { payloadOf, type RequestChannel } from "./request-channel.ts";

const FEATURE = VFIO_DEVICE_FEATURE_ARGUMENT;
const STATE = VFIO_DEVICE_FEATURE_MIG_STATE;
const FLAGS = VFIO_DEVICE_FEATURE_MIGRATION_DATA;
const DATA = VFIO_USER_MIG_DATA;
/** A device comes to rest, or makes a state of what it was sent, before it answers; nothing says how long that may take. */
const CHANGE_MILLISECONDS = 60_000;

export class MigrationClient implements StateTransfer {
  readonly #device: string;
  readonly #channel: RequestChannel;
  readonly #limits: PeerLimits;

  constructor(device: string, channel: RequestChannel, limits: PeerLimits) {
    this.#device = device;
    this.#channel = channel;
    this.#limits = limits;
  }

  flags(): number {
    const action = (): string => `ask whether the state of ${this.#device} can be moved`;
    try {
      const payload = this.#getFeature(VFIO_DEVICE_FEATURE_MIGRATION, FLAGS.size, action);
      return Number(FLAGS.decode(payload, FEATURE.size).flags & 0xffff_ffffn);
    } catch (error) {
      // The kernel's ENOTTY, libvfio-user's EINVAL, or a server that knows no features at all.
      if (error instanceof HugebarError && error.code === "ERR_DEVICE") return 0;
      throw error;
    }
  }

  state(): number {
    const action = (): string => `ask for the migration state of ${this.#device}`;
    const payload = this.#getFeature(VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, STATE.size, action);
    return STATE.decode(payload, FEATURE.size).device_state;
  }

  setState(state: number): void {
    const flags = VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE;
    const size = FEATURE.size + STATE.size;
    const request = FEATURE.encode({ argsz: size, flags }, STATE.size);
    STATE.encodeInto(request, FEATURE.size, { device_state: state, data_fd: -1 });
    const action = (): string => `take ${this.#device} to migration state ${state}`;
    const reply = this.#channel.exchange({
      action,
      command: VFIO_USER_DEVICE_FEATURE,
      head: requestMessage(request),
      milliseconds: CHANGE_MILLISECONDS,
    });
    const payload = payloadOf(reply);
    if (payload.length !== size || STATE.decode(payload, FEATURE.size).device_state !== state)
      throw brokenProtocol(action, "its reply speaks of another state");
  }

  read(target: Uint8Array): number {
    let done = 0;
    while (done < target.length) {
      const asked = Math.min(target.length - done, this.#limits.maxTransfer);
      const count = this.#readOnce(target.subarray(done, done + asked));
      done += count;
      if (count < asked) break;
    }
    return done;
  }

  #readOnce(target: Uint8Array): number {
    const action = (): string => `read the state of ${this.#device}`;
    const request = DATA.encode({ argsz: DATA.size + target.length, size: target.length });
    const head = requestMessage(request);
    const reply = this.#channel.exchange({
      action,
      command: VFIO_USER_MIG_DATA_READ,
      head,
      milliseconds: CHANGE_MILLISECONDS,
    });
    const payload = payloadOf(reply);
    const size = payload.length < DATA.size ? Infinity : DATA.decode(payload).size;
    // libvfio-user's replies are as long as what was asked for, however little is in them.
    if (size > target.length || payload.length < DATA.size + size)
      throw brokenProtocol(action, `its reply has ${payload.length} bytes for ${target.length}`);
    target.set(payload.subarray(DATA.size, DATA.size + size));
    return size;
  }

  write(source: Uint8Array): void {
    for (let done = 0; done < source.length; done += this.#limits.maxWrite) {
      const data = source.subarray(done, done + this.#limits.maxWrite);
      this.#channel.exchange({
        action: () => `write the state of ${this.#device}`,
        command: VFIO_USER_MIG_DATA_WRITE,
        head: requestMessage(DATA.encode({ argsz: DATA.size + data.length, size: data.length })),
        data,
        milliseconds: CHANGE_MILLISECONDS,
      });
    }
  }

  /** The reply, at least as long as the feature's data. */
  #getFeature(feature: number, size: number, action: () => string): Uint8Array {
    const argsz = FEATURE.size + size;
    const head = requestMessage(FEATURE.encode({ argsz, flags: VFIO_DEVICE_FEATURE_GET | feature }, size));
    const reply = this.#channel.exchange({ action, command: VFIO_USER_DEVICE_FEATURE, head });
    const payload = payloadOf(reply);
    if (payload.length < argsz) throw brokenProtocol(action, "its answer is cut short");
    return payload;
  }
}
