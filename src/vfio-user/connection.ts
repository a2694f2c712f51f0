/**
 * The server's side of one client's socket. Requests are carried out in the order they came, one at a time; nothing
 * more is read while a handler is not done or the client does not take its replies, so nothing piles up here.
 */

import { constants } from "node:os";
import { MSG_DONTWAIT, MSG_NOSIGNAL, POLLIN, POLLOUT } from "../memory/constants.ts";
import { linux } from "../memory/libc.ts";
import { SystemCallError } from "../memory/system.ts";
import { DeviceError, errnoOf } from "./device-error.ts";
import type { MaybePromise } from "./device-description.ts";
import { MessageReader, type Message } from "./message-reader.ts";
import { VFIO_USER_F_ERROR, VFIO_USER_F_NO_REPLY, VFIO_USER_F_TYPE_REPLY } from "./protocol.ts";
import { ReplyMessage } from "./reply-message.ts";
import { limitWaiting, writeHeader } from "./request-channel.ts";
import { LINGER_MILLISECONDS, serve, type Service, type Serving } from "./service-loop.ts";

/** What stands behind a connection: carries out requests for one client. */
export interface Session {
  /**
   * Carries out a request and writes its reply; a thrown error becomes the reply's errno. Descriptors that it keeps it
   * takes out of the message; the others are closed.
   */
  handle(request: Message, reply: ReplyMessage): MaybePromise<void>;
  /** The client is gone. */
  close(): void;
}

/** A request that ends the connection: after its error reply the server hangs up. */
export class FatalRequest extends DeviceError {}

export class Connection implements Service {
  readonly fd: number;
  readonly #session: Session;
  readonly #onError: (error: unknown) => void;
  readonly #onClose: () => void;
  readonly #reader: MessageReader;
  readonly #reply = new ReplyMessage();
  readonly #serving: Serving;
  /** What the client has not taken yet of the last reply. */
  #unsent: Uint8Array | null = null;
  #handling = false;
  #hangUp = false;
  #closed: Promise<void> | null = null;

  /** Takes over `fd`, a stream socket. */
  constructor(fd: number, session: Session, onError: (error: unknown) => void, onClose: () => void) {
    this.fd = fd;
    this.#session = session;
    this.#onError = onError;
    this.#onClose = onClose;
    limitWaiting(fd, LINGER_MILLISECONDS, linux);
    this.#reader = new MessageReader(fd);
    this.#serving = serve(this);
  }

  wants(): number {
    if (this.#closed !== null) return 0;
    if (this.#unsent !== null) return POLLOUT;
    return this.#handling ? 0 : POLLIN;
  }

  serve(): void {
    this.#try(() => {
      if (this.#unsent !== null) this.#flush(this.#unsent);
      else if (!this.#handling) this.#receive(false);
      this.#handleWaiting();
    });
  }

  waitAndServe(): boolean {
    let came = true;
    this.#try(() => {
      came = this.#receive(true);
      this.#handleWaiting();
    });
    return came;
  }

  #try(step: () => void): void {
    try {
      step();
    } catch (error) {
      // The client is gone in the middle of something; whatever else fails here ends the connection too.
      if (!isHangUp(error)) this.#onError(error);
      this.#end();
    }
  }

  /** Whether anything came: a hang-up, too. */
  #receive(wait: boolean): boolean {
    const received = this.#reader.receive(wait);
    if (received === "hang-up") this.#end();
    return received !== "nothing";
  }

  /** Hangs up and gives back all that the client had. Resolves when nothing of it is left. */
  close(): Promise<void> {
    this.#closed ??= this.#release();
    return this.#closed;
  }

  async #release(): Promise<void> {
    const served = this.#serving.close();
    this.#reader.close();
    linux.close(this.fd);
    this.#session.close();
    this.#onClose();
    await served;
  }

  #end(): void {
    void this.close();
  }

  #handleWaiting(): void {
    while (this.#closed === null && !this.#handling && this.#unsent === null) {
      const message = this.#reader.next();
      if (message === null) return;
      this.#handle(message);
    }
  }

  #handle(message: Message): void {
    this.#reply.clear();
    try {
      const pending = this.#session.handle(message, this.#reply);
      if (pending instanceof Promise) {
        this.#handling = true;
        pending.then(
          () => this.#handleLater(message, null),
          (error: unknown) => this.#handleLater(message, error),
        );
        return;
      }
    } catch (error) {
      this.#finish(message, error);
      return;
    }
    this.#finish(message, null);
  }

  /** An asynchronous handler is done: its reply goes out, and whatever waits has its turn. */
  #handleLater(message: Message, error: unknown): void {
    this.#handling = false;
    try {
      this.#finish(message, error);
      this.#handleWaiting();
    } catch (sendError) {
      if (!isHangUp(sendError)) this.#onError(sendError);
      this.#end();
    }
    this.#serving.wake();
  }

  #finish(message: Message, error: unknown): void {
    for (const fd of message.descriptors.splice(0)) linux.close(fd);
    if (error !== null && !(error instanceof DeviceError)) this.#onError(error);
    if (error instanceof FatalRequest) this.#hangUp = true;
    if (this.#closed !== null) return;
    if ((message.flags & VFIO_USER_F_NO_REPLY) === 0) this.#answer(message, error);
    if (this.#hangUp && this.#unsent === null) this.#end();
  }

  #answer({ id, command }: Message, error: unknown): void {
    if (error !== null) this.#reply.clear();
    const { bytes, descriptors } = this.#reply;
    if (error === null) writeHeader(bytes, id, command, bytes.length, VFIO_USER_F_TYPE_REPLY, 0);
    else
      writeHeader(
        bytes,
        id,
        command,
        bytes.length,
        VFIO_USER_F_TYPE_REPLY | VFIO_USER_F_ERROR,
        errnoOf(error),
      );
    if (descriptors.length === 0) this.#flush(bytes);
    else this.#keepRest(bytes, linux.sendmsg(this.fd, [bytes], descriptors, MSG_DONTWAIT | MSG_NOSIGNAL));
  }

  /** Sends what the socket takes now. */
  #flush(bytes: Uint8Array): void {
    this.#keepRest(bytes, sendSome(this.fd, bytes));
    if (this.#hangUp && this.#unsent === null) this.#end();
  }

  #keepRest(bytes: Uint8Array, sent: number): void {
    this.#unsent = sent === bytes.length ? null : bytes.subarray(sent);
  }
}

function sendSome(fd: number, bytes: Uint8Array): number {
  try {
    return linux.send(fd, bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
  } catch (error) {
    if (error instanceof SystemCallError && error.errno === constants.errno.EAGAIN) return 0;
    throw error;
  }
}

function isHangUp(error: unknown): boolean {
  if (!(error instanceof SystemCallError)) return false;
  return error.errno === constants.errno.EPIPE || error.errno === constants.errno.ECONNRESET;
}
