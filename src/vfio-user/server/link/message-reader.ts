/**
 * Cuts a client's stream into messages and gives each the descriptors that came with it.
 *
 * One recvmsg may bring several messages. The kernel ends it behind the part that carried descriptors (unix(7),
 * net/unix/af_unix.c), so they belong to the last message that begins in what it brought.
 */

import { constants } from "node:os";
import { MSG_DONTWAIT, MSG_WAITALL } from "../../../system/constants.ts";
import { linux } from "../../../system/libc.ts";
import { SystemCallError } from "../../../system/system.ts";
import { VFIO_USER_F_TYPE_MASK, VFIO_USER_F_TYPE_REPLY, VFIO_USER_HEADER } from "../../wire/protocol.ts";
import { messagesAreTraced, publishMessage, type TracedSocket } from "../../wire/message-events.ts";
import { Patience } from "./patience.ts";
import { ReceiveBuffer } from "../../wire/receive-buffer.ts";
import { OWN_CAPABILITIES } from "../../wire/version.ts";

/** The largest message a client may send: the largest transfer, and the structures in front of it. */
const MOST_MESSAGE_BYTES = OWN_CAPABILITIES.max_data_xfer_size + 4096;
const HEADER = VFIO_USER_HEADER.offsets;

export interface Message {
  readonly id: number;
  readonly command: number;
  readonly flags: number;
  /** Of a reply. */
  readonly errno: number;
  /** What follows the header; good until the next `receive`. */
  readonly payload: Uint8Array;
  /** What came along; whoever keeps one takes it out. */
  readonly descriptors: number[];
  /** There were more descriptors than hugebar allows, and the kernel may have dropped some. */
  readonly tooManyDescriptors: boolean;
  /** The header is one that no message can have; nothing behind it can be read any more. */
  readonly malformed: boolean;
}

/** Whether it answers something, as nothing malformed does. */
export function isReply({ malformed, flags }: Message): boolean {
  return !malformed && (flags & VFIO_USER_F_TYPE_MASK) === VFIO_USER_F_TYPE_REPLY;
}

/** What `receive` brought; a flood of descriptors is nothing to go on after. */
export type Received = "bytes" | "nothing" | "hang-up" | "flood";

interface Passed {
  /** The stream's position behind the bytes that they came with. */
  readonly until: number;
  readonly descriptors: readonly number[];
  readonly truncated: boolean;
}

export class MessageReader {
  readonly #fd: number;
  readonly #socket: TracedSocket;
  readonly #input = new ReceiveBuffer();
  /** The stream's position of the input's first byte. */
  #position = 0;
  #passed: Passed[] = [];
  readonly #patience: Patience;
  #lastPayload: Uint8Array = new Uint8Array(0);

  /** @param waits whether the socket has a time limit, and is worth waiting for (see `receive`) */
  constructor(fd: number, socket: TracedSocket, waits: boolean = false) {
    this.#fd = fd;
    this.#socket = socket;
    this.#patience = new Patience(waits);
  }

  /**
   * A message in many pieces can bring descriptors with each. What is received may end one message and begin another, and
   * no more than two: what is beyond that belongs to the one that is still coming in.
   */
  get #flooded(): boolean {
    const descriptors = this.#passed.reduce((sum, passed) => sum + passed.descriptors.length, 0);
    return descriptors > 2 * OWN_CAPABILITIES.max_msg_fds;
  }

  /**
   * Receives what is there, without waiting. Only for the rest of a large message, which comes in pieces of some 32 KiB as the
   * client writes it, it waits, to have all of them in one call, at most as long as the socket's time limit allows, and for a
   * client that has its patience.
   */
  receive(): Received {
    const size = Math.min(this.#nextSize() ?? VFIO_USER_HEADER.size, MOST_MESSAGE_BYTES);
    const space = this.#input.space(size);
    const missing = size - this.#input.length;
    const start = performance.now();
    const rest = this.#input.length >= VFIO_USER_HEADER.size && missing > 0 && this.#patience.has(start);
    try {
      const {
        bytes,
        descriptors: passed,
        truncated,
      } = linux.recvmsg(
        this.#fd,
        rest ? space.subarray(0, missing) : space,
        OWN_CAPABILITIES.max_msg_fds,
        rest ? MSG_WAITALL : MSG_DONTWAIT,
      );
      if (rest && bytes < missing) this.#patience.lose(start, performance.now());
      this.#input.received(bytes);
      const descriptors = passed.map((fd) => linux.tieToThread(fd));
      if (descriptors.length > 0 || truncated) {
        this.#passed.push({ until: this.#position + this.#input.length, descriptors, truncated });
        if (this.#flooded) return "flood";
      }
      return bytes > 0 ? "bytes" : "hang-up";
    } catch (error) {
      if (error instanceof SystemCallError && error.errno === constants.errno.EAGAIN) {
        if (rest) this.#patience.lose(start, performance.now());
        return "nothing";
      }
      throw error;
    }
  }

  /** Nothing of a message is here: what was received has been given out whole. */
  get empty(): boolean {
    return this.#input.length === 0;
  }

  /** Lets the payloads given out so far be good for ever. */
  handOver(): void {
    this.#input.handOver();
  }

  /** The next message that is here whole, or null. */
  next(): Message | null {
    const size = this.#nextSize();
    if (size === null) return null;
    const malformed = size < VFIO_USER_HEADER.size || size > MOST_MESSAGE_BYTES;
    const taken = malformed ? VFIO_USER_HEADER.size : size;
    if (this.#input.length < taken) return null;

    const { view, bytes, start } = this.#input;
    this.#input.consume(taken);
    this.#position += taken;
    const { descriptors, tooManyDescriptors } = this.#takePassed();
    if (messagesAreTraced())
      publishMessage(this.#socket, "received", bytes.subarray(start, start + taken), descriptors.length);
    return {
      id: view.getUint16(start + HEADER.msg_id, true),
      command: view.getUint16(start + HEADER.cmd, true),
      flags: view.getUint32(start + HEADER.flags, true),
      errno: view.getUint32(start + HEADER.error_no, true),
      payload: this.#payload(bytes, start + VFIO_USER_HEADER.size, taken - VFIO_USER_HEADER.size),
      descriptors,
      tooManyDescriptors,
      malformed,
    };
  }

  /** A view of these bytes. Most requests are as long as the one before and lie where that lay: then it is the same. */
  #payload(bytes: Uint8Array, at: number, length: number): Uint8Array {
    const last = this.#lastPayload;
    if (last.buffer === bytes.buffer && last.byteOffset === at && last.length === length) return last;
    this.#lastPayload = bytes.subarray(at, at + length);
    return this.#lastPayload;
  }

  /** Closes the descriptors that no message has taken. */
  close(): void {
    for (const { descriptors } of this.#passed.splice(0)) {
      for (const fd of descriptors) linux.close(fd);
    }
  }

  /** What the next message's header says of its size; null while it is not here. */
  #nextSize(): number | null {
    if (this.#input.length < VFIO_USER_HEADER.size) return null;
    return this.#input.view.getUint32(this.#input.start + HEADER.msg_size, true);
  }

  /** The descriptors of the message that ends at the present position. */
  #takePassed(): { descriptors: number[]; tooManyDescriptors: boolean } {
    if (this.#passed.length === 0) return { descriptors: [], tooManyDescriptors: false };
    const mine = this.#passed.filter(({ until }) => until <= this.#position);
    this.#passed = this.#passed.filter(({ until }) => until > this.#position);
    const descriptors = mine.flatMap((passed) => passed.descriptors);
    const tooMany = descriptors.length > OWN_CAPABILITIES.max_msg_fds;
    return { descriptors, tooManyDescriptors: tooMany || mine.some(({ truncated }) => truncated) };
  }
}
