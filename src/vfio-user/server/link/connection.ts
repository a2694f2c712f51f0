/**
 * The server's side of one client's socket. Requests are carried out in the order they came, one at a time; nothing
 * more is read while a handler is not done or the client does not take its replies, so nothing piles up here. Only
 * while the server itself waits for the client's answers is more read: commands among them wait, up to a limit.
 */

import { HugebarError } from "../../../errors.ts";
import { POLLIN, POLLOUT, SOCK_CLOEXEC, SOCK_STREAM } from "../../../system/constants.ts";
import { linux } from "../../../system/libc.ts";
import { brokeProtocol, failed, fellSilent, floodedDescriptors, hungUp, isHangUp } from "./client-losses.ts";
import { ClientQuestions, REPLY_MILLISECONDS } from "./client-questions.ts";
import { DeviceError, errnoOf } from "../../wire/device-error.ts";
import { isReply, MessageReader, type Message } from "./message-reader.ts";
import { Outbox } from "./outbox.ts";
import { VFIO_USER_F_ERROR, VFIO_USER_F_NO_REPLY, VFIO_USER_F_TYPE_REPLY } from "../../wire/protocol.ts";
import { ReplyMessage } from "./reply-message.ts";
import type { TracedSocket } from "../../wire/message-events.ts";
import { writeHeader } from "../../wire/message-header.ts";
import { limitWaiting } from "../../wire/socket-limits.ts";
import { OWN_CAPABILITIES } from "../../wire/version.ts";
import { FatalRequest, type ClientLink, type Session } from "./session.ts";
import { serve, type Service, type Serving } from "./service-loop.ts";
import { TwinSocket } from "./twin-socket.ts";

/** What may wait while the client owes us an answer; one that sends more is flooding us. */
const MOST_WAITING = { commands: 256, bytes: 8 * OWN_CAPABILITIES.max_data_xfer_size, descriptors: 64 };

/** How long the rest of a message is waited for: as near as the kernel's clock of SO_RCVTIMEO comes, 4 to 12 ms. */
const WAIT_MILLISECONDS = 1;

export class Connection implements Service {
  readonly fd: number;
  readonly #socket: TracedSocket;
  readonly #session: Session;
  readonly #onError: (error: unknown) => void;
  readonly #onClose: () => void;
  readonly #reader: MessageReader;
  readonly #outbox: Outbox;
  readonly #questions: ClientQuestions;
  /** Where commands of ours and their answers go, if not over this socket. */
  #twin: TwinSocket | null = null;
  /** The client's end of it, until it is sent: at once, for its message is the first one on this socket. */
  #passing: number | null = null;
  readonly #reply = new ReplyMessage();
  readonly #serving: Serving;
  /** Commands that came while we waited for answers. */
  readonly #waiting: Message[] = [];
  /** A client that never says its version keeps the device from others. */
  readonly #handshake: NodeJS.Timeout;
  #handling = false;
  /** The bytes of the request in work are its own. */
  #handedOver = false;
  /** After what is in the outbox we hang up, because of this. */
  #fault: HugebarError | null = null;
  #closed: Promise<void> | null = null;

  /**
   * Takes over `fd`, a stream socket.
   *
   * @param device `vfio-user:PATH`
   */
  constructor(
    fd: number,
    device: string,
    open: (link: ClientLink) => Session,
    onError: (error: unknown) => void,
    onClose: () => void,
  ) {
    this.fd = fd;
    this.#onError = onError;
    this.#onClose = onClose;
    limitWaiting(fd, WAIT_MILLISECONDS, linux);
    this.#socket = { side: "server", device, twin: false };
    this.#reader = new MessageReader(fd, this.#socket, true);
    this.#outbox = new Outbox(fd, this.#socket);
    this.#questions = new ClientQuestions({
      send: (message) => (this.#twin ?? this).send(message),
      full: () => (this.#twin ?? this).full,
      onTimeout: () => this.#end(fellSilent(REPLY_MILLISECONDS)),
    });
    this.#session = open({
      ask: (action, command, payload) => this.#questions.ask(action, command, payload),
      openTwin: () => this.#openTwin(),
    });
    this.#serving = serve(this);
    this.#handshake = setTimeout(() => {
      if (!this.#session.begun) this.#end(fellSilent(REPLY_MILLISECONDS));
    }, REPLY_MILLISECONDS);
  }

  wants(): number {
    if (this.#closed !== null) return 0;
    const reading = this.#awaitsAnswers || (!this.#handling && this.#outbox.empty);
    return (reading ? POLLIN : 0) | (this.#outbox.empty ? 0 : POLLOUT);
  }

  serve(revents: number): void {
    this.#guarded(() => {
      if (!this.#outbox.empty) {
        this.#outbox.flush();
        this.#questions.askWaiting();
      }
      // Whatever is not POLLOUT alone: bytes, or a hang-up, which shows when we read.
      if ((this.wants() & POLLIN) !== 0 && (revents & ~POLLOUT) !== 0) this.#receive();
      this.#handleWaiting();
    });
  }

  /** Hangs up and gives back all that the client had. Resolves when nothing of it is left. */
  close(error: HugebarError | null = null): Promise<void> {
    this.#closed ??= this.#release(error);
    return this.#closed;
  }

  async #release(loss: HugebarError | null): Promise<void> {
    clearTimeout(this.#handshake);
    const served = this.#serving.close();
    const twin = this.#twin?.close();
    this.#reader.close();
    for (const { descriptors } of this.#waiting.splice(0)) closeAll(descriptors);
    if (this.#passing !== null) this.#closePassed(this.#passing);
    linux.close(this.fd);
    const left = this.#session.close(loss);
    this.#questions.end();
    try {
      await Promise.all([served, twin, left]);
    } catch (failure) {
      this.#onError(failure);
    }
    this.#onClose();
  }

  #end(error: HugebarError | null): void {
    void this.close(error);
  }

  /** Runs a step; whatever fails in it, beginning with a client that is gone, ends the connection. */
  #guarded(step: () => void): void {
    try {
      step();
      if (this.#fault !== null && this.#outbox.empty) this.#end(this.#fault);
    } catch (error) {
      if (!isHangUp(error)) this.#onError(error);
      this.#end(this.#fault ?? failed(error));
    }
  }

  /** Enough waits to be taken by the client. */
  get full(): boolean {
    return this.#outbox.full;
  }

  /** Sends a command of ours, from wherever the author asked for it. */
  send(message: Uint8Array): void {
    this.#guarded(() => this.#outbox.send(message));
    this.#serving.wake();
  }

  /** Answers come between requests. */
  get #awaitsAnswers(): boolean {
    return this.#questions.open && this.#twin === null;
  }

  #openTwin(): number {
    const [near, far] = linux.socketpair(SOCK_STREAM | SOCK_CLOEXEC);
    const socket = { ...this.#socket, twin: true };
    this.#twin = new TwinSocket(near, socket, this.#questions, (error) => this.#end(error));
    this.#passing = far;
    return far;
  }

  #receive(): void {
    // The request in work keeps its bytes.
    if (this.#handling && !this.#handedOver) this.#reader.handOver();
    this.#handedOver = this.#handling;
    const received = this.#reader.receive();
    if (received === "hang-up") this.#end(this.#unfinished());
    else if (received === "flood") this.#end(floodedDescriptors());
    else if (this.#awaitsAnswers) this.#sort();
  }

  /** What a client that hangs up now leaves behind. */
  #unfinished(): HugebarError | null {
    if (!this.#reader.empty) return hungUp("in the middle of a message");
    if (this.#questions.open) return hungUp("instead of answering");
    return this.#handling || !this.#outbox.empty ? hungUp("before it was answered") : null;
  }

  /** Gives answers to whoever waits for them, and puts commands aside. */
  #sort(): void {
    for (let message = this.#reader.next(); message !== null; message = this.#reader.next()) {
      if (!this.#isAnswer(message)) this.#waiting.push({ ...message, payload: message.payload.slice() });
    }
    const bytes = this.#waiting.reduce((sum, { payload }) => sum + payload.length, 0);
    const descriptors = this.#waiting.reduce((sum, message) => sum + message.descriptors.length, 0);
    if (
      this.#waiting.length > MOST_WAITING.commands ||
      bytes > MOST_WAITING.bytes ||
      descriptors > MOST_WAITING.descriptors
    )
      this.#end(brokeProtocol("it sends commands without end and does not answer"));
  }

  #isAnswer(message: Message): boolean {
    if (!isReply(message)) return false;
    closeAll(message.descriptors);
    return this.#questions.takeReply(message);
  }

  #handleWaiting(): void {
    while (this.#closed === null && this.#fault === null && !this.#handling && this.#outbox.empty) {
      const message = (this.#waiting.length === 0 ? null : this.#waiting.shift()) ?? this.#reader.next();
      if (message === null) return;
      if (!this.#isAnswer(message)) this.#handle(message);
    }
  }

  #handle(message: Message): void {
    this.#reply.clear();
    this.#handedOver = false;
    try {
      const pending = this.#session.handle(message, this.#reply);
      if (pending instanceof Promise) {
        this.#handling = true;
        pending.then(
          () => this.#handledLater(message, null),
          (error: unknown) => this.#handledLater(message, error),
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
  #handledLater(message: Message, error: unknown): void {
    this.#handling = false;
    this.#guarded(() => {
      this.#finish(message, error);
      this.#handleWaiting();
    });
    this.#serving.wake();
  }

  #finish(message: Message, error: unknown): void {
    closeAll(message.descriptors);
    // After its client's end a handler may fail for that alone.
    const gone = this.#closed !== null && error instanceof HugebarError && error.code === "ERR_DISCONNECTED";
    if (error !== null && !(error instanceof DeviceError) && !gone) this.#onError(error);
    if (this.#closed !== null) return;
    if (error instanceof FatalRequest) this.#fault = brokeProtocol(error.message);
    if ((message.flags & VFIO_USER_F_NO_REPLY) === 0) this.#answer(message, error);
    if (this.#passing !== null) this.#closePassed(this.#passing);
  }

  #closePassed(fd: number): void {
    this.#passing = null;
    linux.close(fd);
  }

  #answer({ id, command }: Message, error: unknown): void {
    if (error !== null) this.#reply.clear();
    const { bytes, descriptors } = this.#reply;
    if (error === null) writeHeader(bytes, id, command, bytes.length, VFIO_USER_F_TYPE_REPLY, 0);
    else {
      const flags = VFIO_USER_F_TYPE_REPLY | VFIO_USER_F_ERROR;
      writeHeader(bytes, id, command, bytes.length, flags, errnoOf(error));
    }
    this.#outbox.send(bytes, descriptors);
  }
}

function closeAll(descriptors: number[]): void {
  if (descriptors.length === 0) return;
  for (const fd of descriptors.splice(0)) linux.close(fd);
}
