/**
 * Where the server's commands arrive at the client: on the socket of the requests, between their replies, or on a
 * socket of their own (twin_socket). Each is carried out and answered as it comes.
 */

import { watchDescriptor, type Watch } from "../../system/doorbell.ts";
import { EPOLLIN } from "../../system/constants.ts";
import { Lie } from "../wire/client-faults.ts";
import { errnoOf } from "../wire/device-error.ts";
import { typeOf, writeHeader, type Header } from "../wire/message-header.ts";
import type { MessageStream } from "./message-stream.ts";
import {
  VFIO_USER_F_ERROR,
  VFIO_USER_F_NO_REPLY,
  VFIO_USER_F_TYPE_COMMAND,
  VFIO_USER_F_TYPE_REPLY,
  VFIO_USER_HEADER,
} from "../wire/protocol.ts";

/** What carries out the server's commands. */
export interface CommandHandler {
  /** Returns the reply's payload; a thrown error becomes the reply's errno. */
  handle(command: number, payload: Uint8Array): Uint8Array;
}

export class CommandPort {
  readonly #stream: MessageStream;
  readonly #commands: CommandHandler;
  readonly #onFault: () => void;
  /** Rings when the server sends something. */
  #watch: Watch | null = null;
  #closed = false;

  /** @param onFault the stream cannot be trusted any more */
  constructor(stream: MessageStream, commands: CommandHandler, onFault: () => void) {
    this.#stream = stream;
    this.#commands = commands;
    this.#onFault = onFault;
  }

  /** From now on carries out commands in the event loop, whenever they come; that does not keep it alive. */
  attend(): void {
    if (this.#watch !== null || this.#closed) return;
    this.#watch = watchDescriptor(this.#stream.fd, () => this.#ring(), { keepAlive: false });
    this.#watch.arm(EPOLLIN);
  }

  /** Must come before the stream is closed. */
  close(): void {
    this.#closed = true;
    void this.#watch?.close();
  }

  /** Carries out the command that waits first, and answers it. */
  answer(header: Header): void {
    const { id, command, flags } = header;
    const { bytes, start, length } = this.#stream.take(header);
    let payload: Uint8Array = new Uint8Array(0);
    let errno = 0;
    try {
      payload = this.#commands.handle(command, bytes.subarray(start, start + length));
    } catch (error) {
      errno = errnoOf(error);
    }
    if ((flags & VFIO_USER_F_NO_REPLY) !== 0) return;
    const head = new Uint8Array(VFIO_USER_HEADER.size);
    const kind = errno === 0 ? VFIO_USER_F_TYPE_REPLY : VFIO_USER_F_TYPE_REPLY | VFIO_USER_F_ERROR;
    writeHeader(head, id, command, head.length + payload.length, kind, errno);
    this.#stream.send(head, payload);
  }

  /**
   * Carries out the commands that are here. Nothing else may be: no request is on its way on this stream.
   *
   * @throws Lie, HangUp, TimeUp
   */
  carryOutWaiting(): void {
    do {
      for (
        let header = this.#stream.waitingMessage();
        header !== null;
        header = this.#stream.waitingMessage()
      ) {
        if (typeOf(header) !== VFIO_USER_F_TYPE_COMMAND) throw new Lie("it answered what nobody asked");
        this.#stream.restartClock();
        this.answer(header);
      }
    } while (this.#stream.receiveNow());
  }

  #ring(): void {
    if (this.#closed) return;
    try {
      this.carryOutWaiting();
      this.#watch?.arm(EPOLLIN);
    } catch {
      // The next request says that the connection was given up.
      this.#onFault();
    }
  }
}
