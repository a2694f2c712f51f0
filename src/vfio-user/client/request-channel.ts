/**
 * The client's side of a connection: one request at a time is sent and its reply waited for, with a time limit. After a
 * reply that breaks the protocol, or none in time, the stream cannot be trusted any more: the connection is given up.
 */

import { constants } from "node:os";
import { hugebarError } from "../../errors.ts";
import { POLLIN } from "../../system/constants.ts";
import { errnoWithWords } from "../../system/errno.ts";
import { errnoName, type System } from "../../system/system.ts";
import { clientError, disconnected, Lie, TimeUp } from "../wire/client-faults.ts";
import { CommandPort, type CommandHandler } from "./command-port.ts";
import { typeOf, writeHeader, type Header } from "../wire/message-header.ts";
import type { TracedSocket } from "../wire/message-events.ts";
import { MessageStream, type Received } from "./message-stream.ts";
import { VFIO_USER_F_ERROR, VFIO_USER_F_TYPE_COMMAND, VFIO_USER_F_TYPE_REPLY } from "../wire/protocol.ts";

export interface Request {
  /** What is tried, for messages: `read 4 bytes of region 2 of vfio-user:/run/gpu.sock`. */
  readonly action: () => string;
  readonly command: number;
  /** The message from its header on; the header is filled in here. */
  readonly head: Uint8Array;
  /** What follows `head`. */
  readonly data?: Uint8Array;
  readonly descriptors?: readonly number[];
  /** How long it may take, where that is longer than other requests may. */
  readonly milliseconds?: number;
  /** How many descriptors may come with the reply; where none may, the kernel drops those that do. */
  readonly mostDescriptors?: number;
}

/** A reply's payload, where it was received, good until the next exchange. */
export interface Reply extends Received {
  /** Now the caller's own. */
  readonly descriptors: readonly number[];
}

/** The payload as an array of its own. Making it costs a tenth of a round trip, so register accesses do without. */
export function payloadOf({ bytes, start, length }: Received): Uint8Array {
  return bytes.subarray(start, start + length);
}

interface Twin {
  readonly stream: MessageStream;
  readonly port: CommandPort;
}

export class RequestChannel {
  readonly #socket: TracedSocket;
  readonly #stream: MessageStream;
  readonly #system: System;
  readonly #commands: CommandHandler;
  /** Commands that come between our replies. */
  readonly #port: CommandPort;
  /** Commands that come over a socket of their own, once the server has passed it along. */
  #twin: Twin | null = null;
  readonly #milliseconds: number;
  #nextId = 0;
  #closed = false;

  /**
   * Takes over `fd`, a stream socket.
   *
   * @param device `vfio-user:PATH`
   */
  constructor(fd: number, device: string, milliseconds: number, system: System, commands: CommandHandler) {
    this.#milliseconds = milliseconds;
    this.#socket = { side: "client", device, twin: false };
    this.#stream = new MessageStream(fd, this.#socket, milliseconds, system);
    this.#system = system;
    this.#commands = commands;
    this.#port = new CommandPort(this.#stream, commands, () => this.close());
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#port.close();
    this.#stream.close();
    this.#twin?.port.close();
    this.#twin?.stream.close();
  }

  /** Takes over the socket on which the server will send its commands. */
  useTwin(fd: number): void {
    const stream = new MessageStream(
      fd,
      { ...this.#socket, twin: true },
      this.#stream.milliseconds,
      this.#system,
    );
    this.#twin = { stream, port: new CommandPort(stream, this.#commands, () => this.close()) };
  }

  /**
   * From now on carries out the server's commands whenever they come, in the event loop, and not only while a reply is
   * waited for. Does not keep the event loop alive.
   */
  attend(): void {
    (this.#twin?.port ?? this.#port).attend();
  }

  /**
   * Sends a request and waits for its reply.
   *
   * @throws ERR_DEVICE for an error reply; ERR_TIMEOUT, ERR_DISCONNECTED, ERR_PROTOCOL, after which the channel is
   *   closed; ERR_DISCONNECTED after that.
   */
  exchange(request: Request): Reply {
    const { action, mostDescriptors = 0 } = request;
    if (this.#closed) throw disconnected(action, "the connection was closed or given up before");
    this.#stream.restartClock();
    this.#stream.milliseconds = Math.max(this.#milliseconds, request.milliseconds ?? 0);
    const descriptors: number[] = [];
    try {
      const id = this.#send(request);
      const header = this.#awaitReply(id, request.command, mostDescriptors, descriptors);
      const { bytes, start, length } = this.#stream.take(header, descriptors.length);
      if ((header.flags & VFIO_USER_F_ERROR) === 0) {
        this.#tieToThread(descriptors);
        return { bytes, start, length, descriptors };
      }
      this.#closeAll(descriptors);
      // The errno of an error reply may be left out (0); it must then still be one.
      const errno = errnoWithWords(errnoName(header.errno || constants.errno.EINVAL));
      throw hugebarError("ERR_DEVICE", { action: action(), errno });
    } catch (fault) {
      const error = clientError(fault, action, this.#stream.milliseconds);
      if (error.code !== "ERR_DEVICE") {
        this.#closeAll(descriptors);
        this.close();
      }
      throw error;
    }
  }

  #send({ command, head, data, descriptors }: Request): number {
    const id = this.#nextId;
    this.#nextId = (id + 1) & 0xffff;
    writeHeader(head, id, command, head.length + (data?.length ?? 0), VFIO_USER_F_TYPE_COMMAND, 0);
    this.#stream.send(head, data, descriptors);
    return id;
  }

  /** Waits until the reply is here whole, and returns its header. */
  #awaitReply(id: number, command: number, most: number, descriptors: number[]): Header {
    for (;;) {
      if (this.#twin !== null) this.#attendTwin(this.#twin);
      const header = this.#stream.awaitHeader(most, descriptors);
      checkHeader(header, id, command);
      this.#stream.awaitRest(header, most, descriptors);
      if (typeOf(header) === VFIO_USER_F_TYPE_REPLY) return header;
      this.#port.answer(header);
      // A server that only ever commands must not hold us.
      if (this.#stream.timeLeft() <= 0) throw new TimeUp();
    }
  }

  /** Carries out what comes over the twin socket until something comes over ours: the reply may depend on it. */
  #attendTwin({ stream, port }: Twin): void {
    const own = { fd: this.#stream.fd, events: POLLIN, revents: 0 };
    const twin = { fd: stream.fd, events: POLLIN, revents: 0 };
    while (own.revents === 0 && this.#stream.waitingMessage() === null) {
      const left = this.#stream.timeLeft();
      if (left <= 0 || this.#system.poll([own, twin], left) === 0) throw new TimeUp();
      if (twin.revents !== 0) port.carryOutWaiting();
    }
  }

  /** One that cannot be tied is closed by that, and then no longer among those that are to be closed. */
  #tieToThread(descriptors: number[]): void {
    for (const [at, fd] of descriptors.entries()) {
      descriptors.splice(at, 1);
      descriptors.splice(at, 0, this.#system.tieToThread(fd));
    }
  }

  #closeAll(descriptors: number[]): void {
    for (const fd of descriptors.splice(0)) this.#system.close(fd);
  }
}

/** Throws when the message is neither the reply that is waited for nor a command. */
function checkHeader(header: Header, id: number, command: number): void {
  const type = typeOf(header);
  if (type === VFIO_USER_F_TYPE_COMMAND) return;
  if (type !== VFIO_USER_F_TYPE_REPLY) throw new Lie(`it sent a message of type ${type}`);
  if (header.id !== id) throw new Lie(`it answered message ${header.id} instead of ${id}`);
  if (header.command !== command)
    throw new Lie(`it answered command ${header.command} instead of ${command}`);
}
