/** The requests by which a client moves a device's state. */

import {
  VFIO_DEVICE_FEATURE_ARGUMENT,
  VFIO_DEVICE_FEATURE_MIG_STATE,
  VFIO_DEVICE_FEATURE_MIGRATION_DATA,
} from "../../../device/transport/vfio-abi.ts";
import { decodeHead, invalid } from "../../wire/payload.ts";
import { VFIO_USER_MIG_DATA } from "../../wire/protocol.ts";
import type { ReplyMessage } from "../link/reply-message.ts";
import type { DeviceClient } from "../parts/device-client.ts";
import type { ServedMigration } from "./served-migration.ts";

const FEATURE = VFIO_DEVICE_FEATURE_ARGUMENT;
const STATE = VFIO_DEVICE_FEATURE_MIG_STATE;
const DATA = VFIO_USER_MIG_DATA;

/** VFIO_DEVICE_FEATURE_MIGRATION, got. */
export function describeMigration(
  { flags }: ServedMigration,
  payload: Uint8Array,
  argsz: number,
  reply: ReplyMessage,
): void {
  const data = VFIO_DEVICE_FEATURE_MIGRATION_DATA.encode({ flags: BigInt(flags) });
  answerFeature(payload, argsz, data, reply);
}

/** VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, got. There are no data descriptors in vfio-user. */
export function describeState(
  { state }: ServedMigration,
  payload: Uint8Array,
  argsz: number,
  reply: ReplyMessage,
): void {
  answerFeature(payload, argsz, STATE.encode({ device_state: state, data_fd: -1 }), reply);
}

/** VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, set; the reply is the request, and comes when the device is in that state. */
export async function changeState(
  migration: ServedMigration,
  payload: Uint8Array,
  reply: ReplyMessage,
  client: DeviceClient,
): Promise<void> {
  const { device_state } = decodeHead(STATE, payload.subarray(FEATURE.size));
  reply.payload(payload.length).set(payload);
  await migration.setState(device_state, client);
}

/**
 * VFIO_USER_MIG_DATA_READ. Less than was asked for says that there is no more, or none now. The reply is as long as what was
 * asked for, with zeros behind: libvfio-user's client takes no shorter one (tran_sock_recv_fds in its lib/tran_sock.c).
 */
export async function readState(
  migration: ServedMigration,
  payload: Uint8Array,
  reply: ReplyMessage,
  mostBytes: number,
): Promise<void> {
  const { argsz, size } = decodeHead(DATA, payload);
  if (size > mostBytes || argsz < DATA.size + size) throw invalid();
  const answer = reply.payload(DATA.size + size).fill(0);
  const count = await migration.read(answer.subarray(DATA.size));
  DATA.encodeInto(answer, 0, { argsz: DATA.size + count, size: count });
}

/** VFIO_USER_MIG_DATA_WRITE. Its `argsz` speaks of a reply's payload, and there is none. */
export function writeState(migration: ServedMigration, payload: Uint8Array): Promise<void> {
  const { size } = decodeHead(DATA, payload);
  if (payload.length !== DATA.size + size) throw invalid();
  return migration.write(payload.subarray(DATA.size));
}

function answerFeature(payload: Uint8Array, argsz: number, data: Uint8Array, reply: ReplyMessage): void {
  const size = FEATURE.size + data.length;
  if (argsz < size) throw invalid();
  const answer = reply.payload(size);
  FEATURE.encodeInto(answer, 0, { ...FEATURE.decode(payload), argsz: size });
  answer.set(data, FEATURE.size);
}
