/**
 * Looks up Unix sockets of this machine by sock_diag(7), as `ss -x` does: /proc/net/unix tells neither end of a
 * connection who the other is. Nobody needs rights for that; it reaches the caller's own network namespace.
 */

import {
  AF_NETLINK,
  AF_UNIX,
  MSG_DONTWAIT,
  NETLINK_SOCK_DIAG,
  SOCK_CLOEXEC,
  SOCK_RAW,
} from "../../system/constants.ts";
import { linux } from "../../system/libc.ts";
import { struct } from "../../system/struct.ts";
import { SystemCallError, type System } from "../../system/system.ts";

// linux/netlink.h, linux/sock_diag.h, linux/unix_diag.h
const SOCK_DIAG_BY_FAMILY = 20;
const NLM_F_REQUEST = 0x1;
const UDIAG_SHOW_NAME = 0x1;
const UDIAG_SHOW_PEER = 0x4;
const UNIX_DIAG_NAME = 0;
const UNIX_DIAG_PEER = 2;
const ANY = 0xffff_ffff;

const NLMSGHDR = struct({
  nlmsg_len: "u32",
  nlmsg_type: "u16",
  nlmsg_flags: "u16",
  nlmsg_seq: "u32",
  nlmsg_pid: "u32",
});
const UNIX_DIAG_REQ = struct({
  sdiag_family: "u8",
  sdiag_protocol: "u8",
  pad: "u16",
  udiag_states: "u32",
  udiag_ino: "u32",
  udiag_show: "u32",
  udiag_cookie_low: "u32",
  udiag_cookie_high: "u32",
});
const UNIX_DIAG_MSG = struct({
  udiag_family: "u8",
  udiag_type: "u8",
  udiag_state: "u8",
  pad: "u8",
  udiag_ino: "u32",
  udiag_cookie_low: "u32",
  udiag_cookie_high: "u32",
});
const NLATTR = struct({ nla_len: "u16", nla_type: "u16" });

export interface UnixSocket {
  /** The path it is bound to, or was accepted at; null without one, or with one that does not begin at the root. */
  readonly path: string | null;
  /** The inode of the socket at the other end; null where it is not connected. */
  readonly peer: number | null;
}

/** @returns the sockets with these inodes that there are, by inode; none where the kernel does not tell (no UNIX_DIAG) */
export function findUnixSockets(inodes: readonly number[], system: System = linux): Map<number, UnixSocket> {
  const found = new Map<number, UnixSocket>();
  try {
    const netlink = system.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    try {
      const answer = new Uint8Array(8192);
      for (const inode of inodes) {
        system.sendmsg(netlink, [requestFor(inode)], [], 0);
        // The kernel has answered when the sending returns.
        const { bytes } = system.recvmsg(netlink, answer, 0, MSG_DONTWAIT);
        const socket = decodeUnixSocket(answer.subarray(0, bytes), inode);
        if (socket !== null) found.set(inode, socket);
      }
    } finally {
      system.close(netlink);
    }
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error;
  }
  return found;
}

function requestFor(inode: number): Uint8Array {
  const request = NLMSGHDR.encode(
    {
      nlmsg_len: NLMSGHDR.size + UNIX_DIAG_REQ.size,
      nlmsg_type: SOCK_DIAG_BY_FAMILY,
      nlmsg_flags: NLM_F_REQUEST,
      nlmsg_seq: 1,
    },
    UNIX_DIAG_REQ.size,
  );
  UNIX_DIAG_REQ.encodeInto(request, NLMSGHDR.size, {
    sdiag_family: AF_UNIX,
    udiag_states: ANY,
    udiag_ino: inode,
    udiag_show: UDIAG_SHOW_NAME | UDIAG_SHOW_PEER,
    udiag_cookie_low: ANY,
    udiag_cookie_high: ANY,
  });
  return request;
}

/** Null for an answer that is not about that socket: there is none, or the kernel was built without UNIX_DIAG. */
export function decodeUnixSocket(answer: Uint8Array, inode: number): UnixSocket | null {
  const body = NLMSGHDR.size + UNIX_DIAG_MSG.size;
  if (answer.length < body) return null;
  const { nlmsg_type, nlmsg_len } = NLMSGHDR.decode(answer);
  if (nlmsg_type !== SOCK_DIAG_BY_FAMILY || nlmsg_len > answer.length) return null;
  if (UNIX_DIAG_MSG.decode(answer, NLMSGHDR.size).udiag_ino !== inode) return null;
  let path: string | null = null;
  let peer: number | null = null;
  for (let at = body; at + NLATTR.size <= nlmsg_len;) {
    const { nla_len, nla_type } = NLATTR.decode(answer, at);
    if (nla_len < NLATTR.size || at + nla_len > nlmsg_len) break;
    const value = answer.subarray(at + NLATTR.size, at + nla_len);
    if (nla_type === UNIX_DIAG_NAME) path = pathIn(value);
    if (nla_type === UNIX_DIAG_PEER && value.length === 4) peer = PEER.decode(value).inode || null;
    at += (nla_len + 3) & ~3;
  }
  return { path, peer };
}

const PEER = struct({ inode: "u32" });

/** `sun_path`: it may end in a NUL byte, and begins with one where it is no path but an abstract name. */
function pathIn(name: Uint8Array): string | null {
  const end = name.indexOf(0);
  const path = new TextDecoder().decode(end === -1 ? name : name.subarray(0, end));
  return path.startsWith("/") ? path : null;
}
