/**
 * The client's side of the socket: one request at a time is sent and its reply waited for, with a time limit. After a
 * reply that breaks the protocol, or none in time, the stream cannot be trusted any more: the connection is given up.
 */

import { constants } from "node:os";
import { hugebarError, HugebarError } from "../errors.ts";
import { watchDescriptor, type Watch } from "../device/doorbell.ts";
import {
  EPOLLIN,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  POLLIN,
  POLLOUT,
  SO_RCVTIMEO,
  SO_SNDTIMEO,
  SOL_SOCKET,
} from "../memory/constants.ts";
import { setUint16, setUint32 } from "../memory/little-endian.ts";
import { struct } from "../memory/struct.ts";
import { errnoName, SystemCallError, type System } from "../memory/system.ts";
import { errnoOf } from "./device-error.ts";
import {
  VFIO_USER_F_ERROR,
  VFIO_USER_F_NO_REPLY,
  VFIO_USER_F_TYPE_COMMAND,
  VFIO_USER_F_TYPE_MASK,
  VFIO_USER_F_TYPE_REPLY,
  VFIO_USER_HEADER,
} from "./protocol.ts";
import { ReceiveBuffer } from "./receive-buffer.ts";
import { OWN_CAPABILITIES } from "./version.ts";

const { EAGAIN, ECONNRESET, EINVAL, EPIPE } = constants.errno;
const HEADER = VFIO_USER_HEADER.offsets;
/** Room for the largest transfer, its structure, and region descriptions of tens of thousands of areas. */
export const MOST_MESSAGE_BYTES = OWN_CAPABILITIES.max_data_xfer_size + 64 * 1024;
const TIMEVAL = struct({ tv_sec: "u64", tv_usec: "u64" });
const NO_DESCRIPTORS: readonly number[] = [];

export interface Request {
  /** What is tried, for messages: `read 4 bytes of region 2 of vfio-user:/run/gpu.sock`. */
  readonly action: () => string;
  readonly command: number;
  /** The message from its header on; the header is filled in here. */
  readonly head: Uint8Array;
  /** What follows `head`. */
  readonly data?: Uint8Array;
  readonly descriptors?: readonly number[];
  /** How many descriptors may come with the reply; where none may, the kernel drops those that do. */
  readonly mostDescriptors?: number;
}

/** A reply's payload, where it was received: `length` bytes from `start` on, good until the next exchange. */
export interface Reply {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly length: number;
  /** Now the caller's own. */
  readonly descriptors: readonly number[];
}

/** The payload as an array of its own. Making it costs a tenth of a round trip, so register accesses do without. */
export function payloadOf({ bytes, start, length }: Reply): Uint8Array {
  return bytes.subarray(start, start + length);
}

interface Header {
  readonly id: number;
  readonly command: number;
  readonly size: number;
  readonly flags: number;
  readonly errno: number;
}

/** What carries out the server's commands. */
export interface CommandHandler {
  /** Returns the reply's payload; a thrown error becomes the reply's errno. */
  handle(command: number, payload: Uint8Array): Uint8Array;
}

export class RequestChannel {
  readonly #fd: number;
  readonly #system: System;
  readonly #milliseconds: number;
  readonly #input = new ReceiveBuffer();
  readonly #commands: CommandHandler;
  /** Rings when the server sends something while we wait for no reply. */
  #watch: Watch | null = null;
  /**
   * When the present exchange must be over. The kernel limits the first wait (SO_RCVTIMEO), which is all that most
   * exchanges have: they save looking at the clock. A server that trickles is given up after twice the limit at most.
   */
  #deadline: number | null = null;
  #nextId = 0;
  #closed = false;

  /** Takes over `fd`, a connected stream socket. */
  constructor(fd: number, milliseconds: number, system: System, commands: CommandHandler) {
    this.#fd = fd;
    this.#system = system;
    this.#milliseconds = milliseconds;
    this.#commands = commands;
    limitWaiting(fd, milliseconds, system);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    void this.#watch?.close();
    this.#system.close(this.#fd);
  }

  /**
   * From now on carries out the server's commands whenever they come, in the event loop, and not only while a reply is
   * waited for. Does not keep the event loop alive.
   */
  attend(): void {
    if (this.#watch !== null || this.#closed) return;
    this.#watch = watchDescriptor(this.#fd, () => this.#carryOutWaiting(), { keepAlive: false });
    this.#watch.arm(EPOLLIN);
  }

  /** Carries out the commands that are here. Nothing else may be: no request is on its way. */
  #carryOutWaiting(): void {
    try {
      do {
        for (let header = this.#nextWhole(); header !== null; header = this.#nextWhole()) {
          if (typeOf(header) !== VFIO_USER_F_TYPE_COMMAND) throw new Lie("it answered what nobody asked");
          this.#deadline = null;
          this.#answer(header);
        }
      } while (!this.#closed && this.#receiveNow());
      this.#watch?.arm(EPOLLIN);
    } catch {
      // The next request says that the connection was given up.
      this.close();
    }
  }

  /** The header of the message that waits first, if it waits whole. */
  #nextWhole(): Header | null {
    if (this.#closed || this.#input.length < VFIO_USER_HEADER.size) return null;
    const header = this.#readHeader();
    return this.#input.length < header.size ? null : header;
  }

  /** Receives what is there; false when nothing is. */
  #receiveNow(): boolean {
    const known = this.#input.length >= VFIO_USER_HEADER.size;
    const space = this.#input.space(known ? this.#readHeader().size : VFIO_USER_HEADER.size);
    try {
      const received = this.#system.recv(this.#fd, space, MSG_DONTWAIT);
      if (received === 0) throw new HangUp();
      this.#input.received(received);
      return true;
    } catch (error) {
      if (isErrno(error, EAGAIN)) return false;
      throw error;
    }
  }

  /**
   * Sends a request and waits for its reply.
   *
   * @throws ERR_DEVICE for an error reply; ERR_TIMEOUT, ERR_DISCONNECTED, ERR_PROTOCOL, after which the channel is
   *   closed; ERR_CLOSED after that.
   */
  exchange(request: Request): Reply {
    if (this.#closed) throw disconnected(request.action(), "the connection was closed or given up before");
    this.#deadline = null;
    const descriptors: number[] = [];
    try {
      const id = this.#send(request);
      const { flags, size, errno } = this.#awaitReply(id, request, descriptors);
      const start = this.#input.start + VFIO_USER_HEADER.size;
      this.#input.consume(size);
      if ((flags & VFIO_USER_F_ERROR) === 0)
        return { bytes: this.#input.bytes, start, length: size - VFIO_USER_HEADER.size, descriptors };
      this.#closeAll(descriptors);
      // The errno of an error reply may be left out (0); it must then still be one.
      throw hugebarError("ERR_DEVICE", { action: request.action(), errno: errnoName(errno || EINVAL) });
    } catch (error) {
      const translated = this.#translate(error, request);
      if (translated.code !== "ERR_DEVICE") {
        this.#closeAll(descriptors);
        this.close();
      }
      throw translated;
    }
  }

  #send({ command, head, data, descriptors = NO_DESCRIPTORS }: Request): number {
    const id = this.#nextId;
    this.#nextId = (id + 1) & 0xffff;
    const size = head.length + (data?.length ?? 0);
    writeHeader(head, id, command, size, VFIO_USER_F_TYPE_COMMAND, 0);
    const sent =
      data === undefined && descriptors.length === 0
        ? this.#system.send(this.#fd, head, MSG_NOSIGNAL)
        : this.#system.sendmsg(
            this.#fd,
            data === undefined ? [head] : [head, data],
            descriptors,
            MSG_NOSIGNAL,
          );
    if (sent < size) this.#sendRest(sent, head, data);
    return id;
  }

  #sendRest(sent: number, head: Uint8Array, data: Uint8Array | undefined): void {
    let rest = data === undefined ? head : Buffer.concat([head, data]);
    for (let done = sent; ; done = this.#system.send(this.#fd, rest, MSG_NOSIGNAL | MSG_DONTWAIT)) {
      rest = rest.subarray(done);
      if (rest.length === 0) return;
      this.#waitFor(POLLOUT);
    }
  }

  /** Receives until the reply waits whole, and returns its header. */
  #awaitReply(id: number, request: Request, descriptors: number[]): Header {
    for (;;) {
      this.#fill(VFIO_USER_HEADER.size, request, descriptors);
      const header = this.#readHeader();
      const type = typeOf(header);
      if (type === VFIO_USER_F_TYPE_REPLY) checkReply(header, id, request.command);
      else if (type !== VFIO_USER_F_TYPE_COMMAND) throw new Lie(`it sent a message of type ${type}`);

      this.#fill(header.size, request, descriptors);
      if (type === VFIO_USER_F_TYPE_REPLY) return header;
      this.#answer(header);
      // A server that only ever commands must not hold us.
      if (this.#timeLeft() <= 0) throw new TimeUp();
    }
  }

  /** The header of the message that waits first. */
  #readHeader(): Header {
    const { view, start } = this.#input;
    const size = view.getUint32(start + HEADER.msg_size, true);
    if (size < VFIO_USER_HEADER.size || size > MOST_MESSAGE_BYTES) {
      throw new Lie(`it sent a message of ${size} bytes`);
    }
    return {
      id: view.getUint16(start + HEADER.msg_id, true),
      command: view.getUint16(start + HEADER.cmd, true),
      size,
      flags: view.getUint32(start + HEADER.flags, true),
      errno: view.getUint32(start + HEADER.error_no, true),
    };
  }

  /** Carries out a command that the server sent while we wait for its reply, and answers it. */
  #answer({ id, command, size, flags }: Header): void {
    const { bytes, start } = this.#input;
    const request = bytes.subarray(start + VFIO_USER_HEADER.size, start + size);
    this.#input.consume(size);
    let payload: Uint8Array = new Uint8Array(0);
    let errno = 0;
    try {
      payload = this.#commands.handle(command, request);
    } catch (error) {
      errno = errnoOf(error);
    }
    if ((flags & VFIO_USER_F_NO_REPLY) !== 0) return;
    const head = new Uint8Array(VFIO_USER_HEADER.size);
    const kind = errno === 0 ? VFIO_USER_F_TYPE_REPLY : VFIO_USER_F_TYPE_REPLY | VFIO_USER_F_ERROR;
    writeHeader(head, id, command, head.length + payload.length, kind, errno);
    this.#sendRest(0, head, payload);
  }

  /** Receives until `total` bytes wait. */
  #fill(total: number, { mostDescriptors = 0 }: Request, descriptors: number[]): void {
    // The first wait of an exchange is recv()'s own, limited by SO_RCVTIMEO; later ones have less time left.
    for (let first = this.#input.length === 0; this.#input.length < total; first = false) {
      if (!first) this.#waitFor(POLLIN);
      const space = this.#input.space(total);
      const received =
        mostDescriptors === 0
          ? this.#system.recv(this.#fd, space, 0)
          : this.#receiveWithDescriptors(space, mostDescriptors, descriptors);
      if (received === 0) throw new HangUp();
      this.#input.received(received);
    }
  }

  #receiveWithDescriptors(space: Uint8Array, most: number, descriptors: number[]): number {
    const { bytes, descriptors: passed, truncated } = this.#system.recvmsg(this.#fd, space, most + 1, 0);
    descriptors.push(...passed);
    if (truncated || descriptors.length > most) throw new Lie("it passed too many descriptors along");
    return bytes;
  }

  #waitFor(events: number): void {
    const left = this.#timeLeft();
    if (left <= 0 || this.#system.poll([{ fd: this.#fd, events, revents: 0 }], left) === 0)
      throw new TimeUp();
  }

  /** What is left of the time for this exchange, in milliseconds. */
  #timeLeft(): number {
    const now = performance.now();
    this.#deadline ??= now + this.#milliseconds;
    return Math.ceil(this.#deadline - now);
  }

  #translate(error: unknown, request: Request): HugebarError {
    if (error instanceof HugebarError) return error;
    const action = request.action();
    if (error instanceof TimeUp || isErrno(error, EAGAIN)) {
      return hugebarError("ERR_TIMEOUT", { action, milliseconds: this.#milliseconds }, causeOf(error));
    }
    if (error instanceof HangUp || isErrno(error, EPIPE) || isErrno(error, ECONNRESET)) {
      return disconnected(action, "the server hung up", causeOf(error));
    }
    if (error instanceof Lie) {
      return brokenProtocol(request.action, error.message);
    }
    if (error instanceof SystemCallError) {
      return hugebarError("ERR_SYSTEM", { action, problem: error.message }, error);
    }
    throw error;
  }

  #closeAll(descriptors: number[]): void {
    for (const fd of descriptors.splice(0)) this.#system.close(fd);
  }
}

function typeOf({ flags }: Header): number {
  return flags & VFIO_USER_F_TYPE_MASK;
}

class TimeUp extends Error {}
class HangUp extends Error {}
/** A message that no server may send. */
class Lie extends Error {}

/** The error of a reply that cannot be true, though the stream is whole: the connection stays good. */
export function brokenProtocol(action: () => string, lie: string): HugebarError {
  const problem = `the server broke the protocol: ${lie}`;
  return hugebarError("ERR_PROTOCOL", { action: action(), problem });
}

/** A request with this payload, and room in front of it for the header. */
export function requestMessage(payload: Uint8Array): Uint8Array<ArrayBuffer> {
  const message = new Uint8Array(VFIO_USER_HEADER.size + payload.length);
  message.set(payload, VFIO_USER_HEADER.size);
  return message;
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

function checkReply(header: Header, id: number, command: number): void {
  if (header.id !== id) throw new Lie(`it answered message ${header.id} instead of ${id}`);
  if (header.command !== command)
    throw new Lie(`it answered command ${header.command} instead of ${command}`);
}

/** Makes blocking calls on the socket fail with EAGAIN after this long. */
export function limitWaiting(fd: number, milliseconds: number, system: System): void {
  const limit = TIMEVAL.encode({
    tv_sec: BigInt(Math.floor(milliseconds / 1000)),
    tv_usec: BigInt((milliseconds % 1000) * 1000),
  });
  system.setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, limit);
  system.setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, limit);
}

function disconnected(action: string, problem: string, cause?: unknown): HugebarError {
  return hugebarError("ERR_DISCONNECTED", { action, problem }, cause);
}

function isErrno(error: unknown, errno: number): boolean {
  return error instanceof SystemCallError && error.errno === errno;
}

function causeOf(error: unknown): unknown {
  return error instanceof SystemCallError ? error : undefined;
}
