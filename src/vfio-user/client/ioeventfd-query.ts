/** VFIO_USER_DEVICE_GET_REGION_IO_FDS: asking a server which writes are kicks that an eventfd can do as well. */

import type { IoEventFdInfo, RegionInfo } from "../../device/transport/transport.ts";
import { isEventfd } from "../../system/eventfds.ts";
import type { System } from "../../system/system.ts";
import { brokenProtocol } from "../wire/client-faults.ts";
import { requestMessage } from "../wire/message-header.ts";
import {
  KVM_IOEVENTFD_FLAG_DATAMATCH,
  VFIO_USER_DEVICE_GET_REGION_IO_FDS,
  VFIO_USER_IO_FD_TYPE_IOEVENTFD,
  VFIO_USER_REGION_IO_FDS,
  VFIO_USER_SUB_REGION_IOEVENTFD,
} from "../wire/protocol.ts";
import { payloadOf, type RequestChannel } from "./request-channel.ts";
import { OWN_CAPABILITIES } from "../wire/version.ts";
import { askWhole, type Question } from "./whole-answer.ts";

const HEAD = VFIO_USER_REGION_IO_FDS;
const ENTRY = VFIO_USER_SUB_REGION_IOEVENTFD;
/** `struct vfio_user_sub_region_ioeventfd` in libvfio-user's header, and where its `datamatch` stands. */
const LIBVFIO_USER_ENTRY = { size: 48, datamatch: 40 };
/** First guess of an answer's size: enough for as many as a message has descriptors. */
const SIZE_GUESS = HEAD.size + OWN_CAPABILITIES.max_msg_fds * LIBVFIO_USER_ENTRY.size;

/**
 * Asks the server about the ioeventfds of a region. The descriptors are the caller's to close; several may share one.
 * Sub-regions of other kinds (ioregionfds, shadow ioeventfds), for which no kernel has a use, are left out.
 *
 * @throws ERR_PROTOCOL when the answer cannot be true; whatever `RequestChannel.exchange` throws.
 */
export function queryIoeventfds(
  channel: RequestChannel,
  device: string,
  region: RegionInfo,
  system: System,
): IoEventFdInfo[] {
  const action = () => `read the I/O descriptors of region ${region.index} of ${device}`;
  const reply = askWhole(channel, question(region.index, action), system);
  const { descriptors } = reply;
  try {
    const found = decode(payloadOf(reply), descriptors, region, action);
    const used = new Set(found.map(({ fd }) => fd));
    for (const fd of descriptors) if (!used.has(fd)) system.close(fd);
    return found;
  } catch (error) {
    for (const fd of descriptors) system.close(fd);
    throw error;
  }
}

function question(index: number, action: () => string): Question {
  return {
    answer: "its answer",
    guess: SIZE_GUESS,
    request: (argsz) => ({
      action,
      command: VFIO_USER_DEVICE_GET_REGION_IO_FDS,
      head: requestMessage(HEAD.encode({ argsz, index })),
      mostDescriptors: OWN_CAPABILITIES.max_msg_fds,
    }),
    neededBytes: (payload) => (payload.length < HEAD.size ? 0 : HEAD.decode(payload).argsz),
  };
}

function decode(
  payload: Uint8Array,
  descriptors: readonly number[],
  region: RegionInfo,
  action: () => string,
): IoEventFdInfo[] {
  if (payload.length < HEAD.size) throw brokenProtocol(action, "its answer is cut short");
  const { argsz, index, count } = HEAD.decode(payload);
  if (index !== region.index) throw brokenProtocol(action, `it described region ${index}`);
  // The size of an entry is not to be relied on, says the specification, and follows from the whole.
  const entrySize = count === 0 ? ENTRY.size : (argsz - HEAD.size) / count;
  if (payload.length !== argsz || !Number.isInteger(entrySize) || entrySize < ENTRY.size)
    throw brokenProtocol(action, `its answer has ${payload.length} bytes for ${count} sub-regions`);
  const found: IoEventFdInfo[] = [];
  for (let number = 0; number < count; number += 1) {
    const entry = payload.subarray(HEAD.size + number * entrySize, HEAD.size + (number + 1) * entrySize);
    const { type, flags, offset, size, fd_index, datamatch } = ENTRY.decode(entry);
    if (type !== VFIO_USER_IO_FD_TYPE_IOEVENTFD) continue;
    if (offset + size > BigInt(region.size)) {
      throw brokenProtocol(action, `sub-region ${number} lies outside the region`);
    }
    const fd = descriptors[fd_index];
    if (fd === undefined)
      throw brokenProtocol(action, `it passed no descriptor along for sub-region ${number}`);
    if (!isEventfd(fd)) throw brokenProtocol(action, `the descriptor of sub-region ${number} is no eventfd`);
    const matches = (flags & KVM_IOEVENTFD_FLAG_DATAMATCH) !== 0;
    found.push({
      offset: Number(offset),
      size: Number(size),
      datamatch: matches ? (entrySize === LIBVFIO_USER_ENTRY.size ? shadowed(entry) : datamatch) : null,
      fd,
    });
  }
  return found;
}

function shadowed(entry: Uint8Array): bigint {
  return new DataView(entry.buffer, entry.byteOffset).getBigUint64(LIBVFIO_USER_ENTRY.datamatch, true);
}
