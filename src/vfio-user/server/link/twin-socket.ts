/**
 * The server's end of a twin socket: its commands and the client's answers go over a socket of their own, so that
 * neither side has to tell answers from requests (`twin_socket` in the specification's VFIO_USER_VERSION).
 */

import type { HugebarError } from "../../../errors.ts";
import { POLLIN, POLLOUT } from "../../../system/constants.ts";
import { linux } from "../../../system/libc.ts";
import { brokeProtocol, failed, floodedDescriptors, hungUp } from "./client-losses.ts";
import type { ClientQuestions } from "./client-questions.ts";
import type { TracedSocket } from "../../wire/message-events.ts";
import { isReply, MessageReader, type Message } from "./message-reader.ts";
import { Outbox } from "./outbox.ts";
import { serve, type Service, type Serving } from "./service-loop.ts";

export class TwinSocket implements Service {
  readonly fd: number;
  readonly #questions: ClientQuestions;
  readonly #onLoss: (error: HugebarError) => void;
  readonly #reader: MessageReader;
  readonly #outbox: Outbox;
  readonly #serving: Serving;
  #ended = false;

  /**
   * Takes over `fd`, a stream socket.
   *
   * @param questions what is asked here
   * @param onLoss the client is lost, and this to be closed
   */
  constructor(
    fd: number,
    socket: TracedSocket,
    questions: ClientQuestions,
    onLoss: (error: HugebarError) => void,
  ) {
    this.fd = fd;
    this.#questions = questions;
    this.#onLoss = onLoss;
    this.#reader = new MessageReader(fd, socket);
    this.#outbox = new Outbox(fd, socket);
    this.#serving = serve(this);
  }

  wants(): number {
    return this.#ended ? 0 : POLLIN | (this.#outbox.empty ? 0 : POLLOUT);
  }

  serve(): void {
    this.#guarded(() => {
      this.#outbox.flush();
      this.#questions.askWaiting();
      const received = this.#reader.receive();
      if (received === "hang-up") this.#hangUp();
      else if (received === "flood") this.#onLoss(floodedDescriptors());
      for (let message = this.#next(); message !== null; message = this.#next()) this.#take(message);
    });
  }

  /** Enough waits to be taken by the client. */
  get full(): boolean {
    return this.#outbox.full;
  }

  /** Sends a command; its bytes must stay as they are. */
  send(message: Uint8Array): void {
    this.#guarded(() => this.#outbox.send(message));
    this.#serving.wake();
  }

  /** Resolves when nothing of it is left. */
  async close(): Promise<void> {
    this.#ended = true;
    const served = this.#serving.close();
    this.#reader.close();
    linux.close(this.fd);
    await served;
  }

  /** What else the client has left, the other socket tells; what is sent here from now on fails. */
  #hangUp(): void {
    this.#ended = true;
    if (this.#questions.open) this.#onLoss(hungUp("instead of answering"));
  }

  #take(message: Message): void {
    for (const fd of message.descriptors.splice(0)) linux.close(fd);
    if (!isReply(message) || !this.#questions.takeReply(message))
      this.#onLoss(brokeProtocol("an answer to what nobody asked"));
  }

  #next(): Message | null {
    return this.#ended ? null : this.#reader.next();
  }

  #guarded(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.#onLoss(failed(error));
    }
  }
}
