/** For tests: one end of a vfio-user socket that sends and receives raw messages, true or not. */

import { MSG_NOSIGNAL, POLLIN, SHUT_WR, SOCK_CLOEXEC, SOCK_STREAM, AF_UNIX } from "../../system/constants.ts";
import { linux } from "../../system/libc.ts";
import { unixAddress } from "../../system/socket-address.ts";
import {
  VFIO_USER_F_TYPE_COMMAND,
  VFIO_USER_F_TYPE_REPLY,
  VFIO_USER_HEADER,
  VFIO_USER_VERSION,
} from "./protocol.ts";
import { limitWaiting } from "./socket-limits.ts";
import { encodeVersion, OWN_CAPABILITIES } from "./version.ts";

/** A server's threads are only starting when its first client comes, which takes long on a busy machine. */
const START_MILLISECONDS = 30_000;

export interface RawMessage {
  readonly id?: number;
  readonly command: number;
  readonly flags?: number;
  readonly errno?: number;
  readonly payload?: Uint8Array;
  /** What the header says, if not the truth. */
  readonly size?: number;
}

export function encodeMessage({
  id = 0,
  command,
  flags = 0,
  errno = 0,
  payload,
  size,
}: RawMessage): Uint8Array {
  const body = payload ?? new Uint8Array(0);
  const header = VFIO_USER_HEADER.encode({
    msg_id: id,
    cmd: command,
    msg_size: size ?? VFIO_USER_HEADER.size + body.length,
    flags,
    error_no: errno,
  });
  return Buffer.concat([header, body]);
}

export function encodeReply(message: RawMessage): Uint8Array {
  return encodeMessage({ flags: VFIO_USER_F_TYPE_REPLY, ...message });
}

export interface ReceivedReply {
  readonly id: number;
  readonly command: number;
  readonly flags: number;
  readonly errno: number;
  readonly payload: Uint8Array;
  readonly descriptors: readonly number[];
}

export class RawPeer {
  readonly fd: number;
  #closed = false;

  constructor(fd: number) {
    this.fd = fd;
  }

  static connect(path: string): RawPeer {
    const fd = linux.socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    limitWaiting(fd, 5000, linux);
    linux.connect(fd, unixAddress(path));
    return new RawPeer(fd);
  }

  /** Connects and agrees on a version; one that fails keeps the server from nobody. */
  static negotiated(path: string): RawPeer {
    const peer = RawPeer.connect(path);
    try {
      peer.send(encodeMessage({ command: VFIO_USER_VERSION, payload: versionPayload() }));
      const reply = peer.receive(START_MILLISECONDS);
      if (reply === null || reply.errno !== 0) throw new Error("the server refused the version");
      return peer;
    } catch (error) {
      peer.close();
      throw error;
    }
  }

  send(bytes: Uint8Array, descriptors: readonly number[] = []): void {
    linux.sendmsg(this.fd, [bytes], descriptors, MSG_NOSIGNAL);
  }

  /** The next message, or null when the other side has hung up; throws after so much silence, 2 seconds if left out. */
  receive(milliseconds: number = 2000): ReceivedReply | null {
    const descriptors: number[] = [];
    const header = this.#read(VFIO_USER_HEADER.size, descriptors, milliseconds);
    if (header === null) return null;
    const { msg_id, cmd, msg_size, flags, error_no } = VFIO_USER_HEADER.decode(header);
    const payload = this.#read(msg_size - VFIO_USER_HEADER.size, descriptors, milliseconds);
    if (payload === null) return null;
    return { id: msg_id, command: cmd, flags, errno: error_no, payload, descriptors };
  }

  /** Sends a command and receives its reply. */
  ask(
    command: number,
    payload: Uint8Array,
    descriptors: readonly number[] = [],
    id = 7,
  ): ReceivedReply | null {
    this.send(encodeMessage({ id, command, flags: VFIO_USER_F_TYPE_COMMAND, payload }), descriptors);
    return this.receive();
  }

  /** The other side reads the end of the stream behind what was sent. */
  endOfStream(): void {
    linux.shutdown(this.fd, SHUT_WR);
  }

  /** A second call does nothing. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    linux.close(this.fd);
  }

  #read(size: number, descriptors: number[], milliseconds: number): Uint8Array | null {
    const bytes = new Uint8Array(size);
    for (let done = 0; done < size;) {
      if (linux.poll([{ fd: this.fd, events: POLLIN, revents: 0 }], milliseconds) === 0)
        throw new Error("silence");
      const received = receiveSome(this.fd, bytes.subarray(done));
      descriptors.push(...received.descriptors);
      if (received.bytes === 0) return null;
      done += received.bytes;
    }
    return bytes;
  }
}

function receiveSome(fd: number, target: Uint8Array) {
  try {
    return linux.recvmsg(fd, target, 16, 0);
  } catch {
    // ECONNRESET: the server hung up with bytes of ours unread.
    return { bytes: 0, descriptors: [] };
  }
}

export function versionPayload(capabilities: object = OWN_CAPABILITIES): Uint8Array {
  return encodeVersion({ major: 0, minor: 1, capabilities });
}
