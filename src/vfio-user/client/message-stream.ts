/** The client's end of a socket: messages go out whole and come in whole, within a time limit. */

import { constants } from "node:os";
import { MSG_DONTWAIT, MSG_NOSIGNAL, POLLIN, POLLOUT } from "../../system/constants.ts";
import type { System } from "../../system/system.ts";
import { HangUp, isErrno, Lie, TimeUp } from "../wire/client-faults.ts";
import { readHeader, type Header } from "../wire/message-header.ts";
import { messagesAreTraced, publishMessage, type TracedSocket } from "../wire/message-events.ts";
import { VFIO_USER_HEADER } from "../wire/protocol.ts";
import { ReceiveBuffer } from "../wire/receive-buffer.ts";
import { limitWaiting } from "../wire/socket-limits.ts";
import { OWN_CAPABILITIES } from "../wire/version.ts";

/** Room for the largest transfer, its structure, and region descriptions of tens of thousands of areas. */
export const MOST_MESSAGE_BYTES = OWN_CAPABILITIES.max_data_xfer_size + 64 * 1024;
const NO_DESCRIPTORS: readonly number[] = [];

/** A message's payload, where it was received: `length` bytes from `start` on, good until the next is received. */
export interface Received {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly length: number;
}

export class MessageStream {
  readonly fd: number;
  readonly #socket: TracedSocket;
  #milliseconds: number;
  readonly #system: System;
  readonly #input = new ReceiveBuffer();
  /**
   * When the present exchange must be over. The kernel limits the first wait (SO_RCVTIMEO), which is all that most
   * exchanges have: they save looking at the clock. A server that trickles is given up after twice the limit at most.
   */
  #deadline: number | null = null;

  /** Takes over `fd`, a stream socket. */
  constructor(fd: number, socket: TracedSocket, milliseconds: number, system: System) {
    this.fd = fd;
    this.#socket = socket;
    this.#milliseconds = milliseconds;
    this.#system = system;
    limitWaiting(fd, milliseconds, system);
  }

  close(): void {
    this.#system.close(this.fd);
  }

  /** How long an exchange may take. */
  get milliseconds(): number {
    return this.#milliseconds;
  }

  set milliseconds(milliseconds: number) {
    if (milliseconds === this.#milliseconds) return;
    this.#milliseconds = milliseconds;
    limitWaiting(this.fd, milliseconds, this.#system);
  }

  /** A new exchange has the whole time. */
  restartClock(): void {
    this.#deadline = null;
  }

  /** What is left of the time for this exchange, in milliseconds. */
  timeLeft(): number {
    const now = performance.now();
    this.#deadline ??= now + this.#milliseconds;
    return Math.ceil(this.#deadline - now);
  }

  /** Sends `head` and `data` as one message. */
  send(head: Uint8Array, data?: Uint8Array, descriptors: readonly number[] = NO_DESCRIPTORS): void {
    if (messagesAreTraced()) publishMessage(this.#socket, "sent", head, descriptors.length);
    const sent =
      data === undefined && descriptors.length === 0
        ? this.#system.send(this.fd, head, MSG_NOSIGNAL)
        : this.#system.sendmsg(
            this.fd,
            data === undefined ? [head] : [head, data],
            descriptors,
            MSG_NOSIGNAL,
          );
    if (sent < head.length + (data?.length ?? 0)) this.#sendRest(sent, head, data);
  }

  #sendRest(sent: number, head: Uint8Array, data: Uint8Array | undefined): void {
    let rest = data === undefined ? head : Buffer.concat([head, data]);
    for (let done = sent; ; done = this.#system.send(this.fd, rest, MSG_NOSIGNAL | MSG_DONTWAIT)) {
      rest = rest.subarray(done);
      if (rest.length === 0) return;
      this.#waitFor(POLLOUT);
    }
  }

  /**
   * Waits until the header of a message is here.
   *
   * @param descriptors takes those that come along, `most` of them; where none may, the kernel drops them
   */
  awaitHeader(most: number, descriptors: number[]): Header {
    this.#fill(VFIO_USER_HEADER.size, most, descriptors);
    return this.#firstHeader();
  }

  /** Waits until the message that begins with `header` is here whole. */
  awaitRest({ size }: Header, most: number, descriptors: number[]): void {
    this.#fill(size, most, descriptors);
  }

  /** The header of the message that waits first, if it waits whole. */
  waitingMessage(): Header | null {
    if (this.#input.length < VFIO_USER_HEADER.size) return null;
    const header = this.#firstHeader();
    return this.#input.length < header.size ? null : header;
  }

  /** Consumes the message that waits first, whose header this is, and with which so many descriptors came. */
  take({ size }: Header, descriptors = 0): Received {
    const at = this.#input.start;
    if (messagesAreTraced())
      publishMessage(this.#socket, "received", this.#input.bytes.subarray(at, at + size), descriptors);
    const start = at + VFIO_USER_HEADER.size;
    this.#input.consume(size);
    return { bytes: this.#input.bytes, start, length: size - VFIO_USER_HEADER.size };
  }

  /** Receives what is there, without waiting; false when nothing is. */
  receiveNow(): boolean {
    const known = this.#input.length >= VFIO_USER_HEADER.size;
    const space = this.#input.space(known ? this.#firstHeader().size : VFIO_USER_HEADER.size);
    try {
      this.#received(this.#system.recv(this.fd, space, MSG_DONTWAIT));
      return true;
    } catch (error) {
      if (isErrno(error, constants.errno.EAGAIN)) return false;
      throw error;
    }
  }

  #firstHeader(): Header {
    const header = readHeader(this.#input.view, this.#input.start);
    const { size } = header;
    if (size < VFIO_USER_HEADER.size || size > MOST_MESSAGE_BYTES)
      throw new Lie(`it sent a message of ${size} bytes`);
    return header;
  }

  /** Receives until `total` bytes wait. */
  #fill(total: number, most: number, descriptors: number[]): void {
    // The first wait of an exchange is recv()'s own, limited by SO_RCVTIMEO; later ones have less time left.
    for (let first = this.#input.length === 0; this.#input.length < total; first = false) {
      if (!first) this.#waitFor(POLLIN);
      const space = this.#input.space(total);
      if (most === 0) this.#received(this.#system.recv(this.fd, space, 0));
      else this.#received(this.#receiveWithDescriptors(space, most, descriptors));
    }
  }

  #receiveWithDescriptors(space: Uint8Array, most: number, descriptors: number[]): number {
    const { bytes, descriptors: passed, truncated } = this.#system.recvmsg(this.fd, space, most + 1, 0);
    descriptors.push(...passed);
    if (truncated || descriptors.length > most) throw new Lie("it passed too many descriptors along");
    return bytes;
  }

  #received(count: number): void {
    if (count === 0) throw new HangUp();
    this.#input.received(count);
  }

  #waitFor(events: number): void {
    const left = this.timeLeft();
    if (left <= 0 || this.#system.poll([{ fd: this.fd, events, revents: 0 }], left) === 0) throw new TimeUp();
  }
}
