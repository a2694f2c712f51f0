/**
 * `struct msghdr` with its iovec and its control message, as `sendmsg` and `recvmsg` take it (linux/socket.h,
 * linux/uio.h). One instance serves a whole thread: it is written before each call, which is synchronous.
 */

import { constants } from "node:os";
import { MSG_CTRUNC, MSG_TRUNC, SCM_RIGHTS, SOL_SOCKET } from "./constants.ts";
import { struct } from "./struct.ts";
import { SystemCallError, type ReceivedMessage } from "./system.ts";

const MSGHDR = struct({
  msg_name: "u64",
  msg_namelen: "u32",
  msg_iov: "u64",
  msg_iovlen: "u64",
  msg_control: "u64",
  msg_controllen: "u64",
  msg_flags: "u32",
});
const CMSGHDR = struct({ cmsg_len: "u64", cmsg_level: "i32", cmsg_type: "i32" });
const IOVEC_SIZE = 16;

/** The kernel's own limits: UIO_MAXIOV (linux/uio.h) and SCM_MAX_FD (net/scm.h). */
const MOST_PARTS = 1024;
const MOST_DESCRIPTORS = 253;

const IOVEC_AT = MSGHDR.size;
const CONTROL_AT = IOVEC_AT + MOST_PARTS * IOVEC_SIZE;
const SIZE = CONTROL_AT + alignControl(controlLength(MOST_DESCRIPTORS));

/** Where some bytes stand in this process. */
export type AddressOf = (bytes: Uint8Array) => bigint;

export class SocketMessage {
  /** The structure; its first byte is the `msghdr`. */
  readonly header = new Uint8Array(SIZE);
  readonly #view = new DataView(this.header.buffer);
  readonly #addressOf: AddressOf;
  readonly #address: bigint;
  /** What it is made ready to receive; a busy socket receives the same again and again. */
  #ready: { readonly target: Uint8Array; readonly size: number; readonly most: number } | null = null;

  constructor(addressOf: AddressOf) {
    this.#addressOf = addressOf;
    // More than V8 keeps on its own heap, so the bytes never move.
    this.#address = addressOf(this.header);
    this.#set(MSGHDR.offsets.msg_iov, this.#address + BigInt(IOVEC_AT));
  }

  /** Makes it a message to send: the parts one after another, the descriptors beside them. */
  prepareSend(parts: readonly Uint8Array[], descriptors: readonly number[]): void {
    if (parts.length > MOST_PARTS) throw new SystemCallError("sendmsg", constants.errno.EMSGSIZE);
    if (descriptors.length > MOST_DESCRIPTORS) throw new SystemCallError("sendmsg", constants.errno.EINVAL);
    this.#prepare(parts, descriptors.length);
    if (descriptors.length === 0) return;
    const length = controlLength(descriptors.length);
    this.#set(CONTROL_AT + CMSGHDR.offsets.cmsg_len, BigInt(length));
    this.#view.setInt32(CONTROL_AT + CMSGHDR.offsets.cmsg_level, SOL_SOCKET, true);
    this.#view.setInt32(CONTROL_AT + CMSGHDR.offsets.cmsg_type, SCM_RIGHTS, true);
    for (const [index, descriptor] of descriptors.entries()) {
      this.#view.setInt32(CONTROL_AT + CMSGHDR.size + 4 * index, descriptor, true);
    }
  }

  /** Makes it ready to receive into `target`, with at most `maxDescriptors` descriptors. */
  prepareReceive(target: Uint8Array, maxDescriptors: number): void {
    const most = Math.min(maxDescriptors, MOST_DESCRIPTORS);
    const ready = this.#ready;
    // Bytes whose address was taken stay there until they are detached, and then their size is 0.
    if (ready?.target === target && ready.size === target.length && ready.most === most) {
      this.#view.setUint32(MSGHDR.offsets.msg_controllen, roomFor(most), true); // the kernel wrote over it
      return;
    }
    this.#prepare([target], most);
    this.#ready = { target, size: target.length, most };
  }

  /** What `recvmsg` left here, having returned `bytes`. */
  received(bytes: number): ReceivedMessage {
    const flags = this.#view.getUint32(MSGHDR.offsets.msg_flags, true);
    return {
      bytes,
      descriptors: this.#descriptors(this.#view.getUint32(MSGHDR.offsets.msg_controllen, true)),
      truncated: (flags & (MSG_TRUNC | MSG_CTRUNC)) !== 0,
    };
  }

  #prepare(parts: readonly Uint8Array[], descriptorCount: number): void {
    this.#ready = null;
    for (const [index, part] of parts.entries()) {
      const at = IOVEC_AT + index * IOVEC_SIZE;
      this.#set(at, this.#addressOf(part));
      this.#set(at + 8, BigInt(part.length));
    }
    this.#set(MSGHDR.offsets.msg_iovlen, BigInt(parts.length));
    const length = roomFor(descriptorCount);
    this.#set(MSGHDR.offsets.msg_control, length === 0 ? 0n : this.#address + BigInt(CONTROL_AT));
    this.#set(MSGHDR.offsets.msg_controllen, BigInt(length));
  }

  #descriptors(controlLength: number): number[] {
    const descriptors: number[] = [];
    const end = CONTROL_AT + controlLength;
    for (let at = CONTROL_AT; at + CMSGHDR.size <= end;) {
      const length = this.#get(at + CMSGHDR.offsets.cmsg_len);
      if (length < CMSGHDR.size) break;
      const level = this.#view.getInt32(at + CMSGHDR.offsets.cmsg_level, true);
      const type = this.#view.getInt32(at + CMSGHDR.offsets.cmsg_type, true);
      if (level === SOL_SOCKET && type === SCM_RIGHTS) {
        const last = Math.min(at + length, end) - 4;
        for (let each = at + CMSGHDR.size; each <= last; each += 4) {
          descriptors.push(this.#view.getInt32(each, true));
        }
      }
      at += alignControl(length);
    }
    return descriptors;
  }

  #get(at: number): number {
    return Number(this.#view.getBigUint64(at, true));
  }

  #set(at: number, value: bigint): void {
    this.#view.setBigUint64(at, value, true);
  }
}

/** Room for control data, unpadded: into an odd number's padding the kernel would put one more (net/core/scm.c). */
function roomFor(descriptorCount: number): number {
  return descriptorCount === 0 ? 0 : controlLength(descriptorCount);
}

/** CMSG_LEN of `count` descriptors. */
function controlLength(count: number): number {
  return CMSGHDR.size + 4 * count;
}

/** CMSG_ALIGN */
function alignControl(length: number): number {
  return Math.ceil(length / 8) * 8;
}
