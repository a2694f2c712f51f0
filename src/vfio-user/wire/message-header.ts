/** The header in front of every message (`struct vfio_user_header`). */

import { setUint16, setUint32 } from "../../system/little-endian.ts";
import {
  VFIO_USER_F_ERROR,
  VFIO_USER_F_TYPE_MASK,
  VFIO_USER_F_TYPE_REPLY,
  VFIO_USER_HEADER,
} from "./protocol.ts";

const HEADER = VFIO_USER_HEADER.offsets;

export interface Header {
  readonly id: number;
  readonly command: number;
  /** Of the whole message. */
  readonly size: number;
  readonly flags: number;
  readonly errno: number;
}

/** Reads the header at `start`. */
export function readHeader(view: DataView, start: number): Header {
  return {
    id: view.getUint16(start + HEADER.msg_id, true),
    command: view.getUint16(start + HEADER.cmd, true),
    size: view.getUint32(start + HEADER.msg_size, true),
    flags: view.getUint32(start + HEADER.flags, true),
    errno: view.getUint32(start + HEADER.error_no, true),
  };
}

/**
 * VFIO_USER_F_TYPE_COMMAND or VFIO_USER_F_TYPE_REPLY, if it is any. No command has an error, so what has one is a reply:
 * the servers of rust-vmm's vfio-user crate send errors as commands (Server::run in its src/lib.rs).
 */
export function typeOf({ flags }: Header): number {
  return (flags & VFIO_USER_F_ERROR) === 0 ? flags & VFIO_USER_F_TYPE_MASK : VFIO_USER_F_TYPE_REPLY;
}

/** Fills in the header of a message. */
export function writeHeader(
  message: Uint8Array,
  id: number,
  command: number,
  size: number,
  flags: number,
  errno: number,
): void {
  setUint16(message, HEADER.msg_id, id);
  setUint16(message, HEADER.cmd, command);
  setUint32(message, HEADER.msg_size, size);
  setUint32(message, HEADER.flags, flags);
  setUint32(message, HEADER.error_no, errno);
}

/** A message with this payload, and room in front of it for the header. */
export function requestMessage(payload: Uint8Array): Uint8Array<ArrayBuffer> {
  const message = new Uint8Array(VFIO_USER_HEADER.size + payload.length);
  message.set(payload, VFIO_USER_HEADER.size);
  return message;
}
