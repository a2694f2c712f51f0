/** Commands that the server sends to its client, and the replies it waits for. */

import { hugebarError } from "../../../errors.ts";
import { errnoWithWords } from "../../../system/errno.ts";
import { errnoName } from "../../../system/system.ts";
import { noAnswer } from "../../wire/client-faults.ts";
import type { Message } from "./message-reader.ts";
import { VFIO_USER_F_ERROR, VFIO_USER_F_TYPE_COMMAND, VFIO_USER_HEADER } from "../../wire/protocol.ts";
import { writeHeader } from "../../wire/message-header.ts";

/** How long a client may take for one reply, as clients give servers. */
export const REPLY_MILLISECONDS = 5000;

interface Question {
  readonly command: number;
  readonly action: string;
  readonly resolve: (payload: Uint8Array) => void;
  readonly reject: (error: unknown) => void;
  readonly timer: NodeJS.Timeout;
}

export class ClientQuestions {
  readonly #send: (message: Uint8Array) => void;
  readonly #onTimeout: () => void;
  readonly #open = new Map<number, Question>();
  #lastId = 0;
  #ended = false;

  /** @param onTimeout the client has not answered in time; what it answers later cannot be told from other things */
  constructor(send: (message: Uint8Array) => void, onTimeout: () => void) {
    this.#send = send;
    this.#onTimeout = onTimeout;
  }

  /** Replies are being waited for. */
  get open(): boolean {
    return this.#open.size > 0;
  }

  /** Sends a command and waits for its reply's payload, which is the caller's to keep. */
  ask(action: string, command: number, payload: Uint8Array): Promise<Uint8Array> {
    if (this.#ended) return Promise.reject(gone(action));
    do this.#lastId = (this.#lastId + 1) & 0xffff;
    while (this.#open.has(this.#lastId));
    const id = this.#lastId;
    const message = new Uint8Array(VFIO_USER_HEADER.size + payload.length);
    message.set(payload, VFIO_USER_HEADER.size);
    writeHeader(message, id, command, message.length, VFIO_USER_F_TYPE_COMMAND, 0);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#timeUp(id), REPLY_MILLISECONDS);
      this.#open.set(id, { command, action, resolve, reject, timer });
      this.#send(message);
    });
  }

  /** Takes a reply; false when nobody asked for it. */
  takeReply({ id, command, flags, payload, errno }: Message): boolean {
    const question = this.#open.get(id);
    if (question === undefined || question.command !== command) return false;
    this.#close(id, question);
    if ((flags & VFIO_USER_F_ERROR) === 0) question.resolve(payload.slice());
    else {
      const details = { action: question.action, errno: errnoWithWords(errnoName(errno)) };
      question.reject(hugebarError("ERR_DEVICE", details));
    }
    return true;
  }

  /** The client is gone: nothing will be answered any more. */
  end(): void {
    this.#ended = true;
    for (const [id, question] of this.#open) {
      this.#close(id, question);
      question.reject(gone(question.action));
    }
  }

  #timeUp(id: number): void {
    const question = this.#open.get(id);
    if (question === undefined) return;
    this.#close(id, question);
    question.reject(
      hugebarError("ERR_TIMEOUT", { action: question.action, problem: noAnswer(REPLY_MILLISECONDS) }),
    );
    this.#onTimeout();
  }

  #close(id: number, { timer }: Question): void {
    clearTimeout(timer);
    this.#open.delete(id);
  }
}

function gone(action: string) {
  return hugebarError("ERR_DISCONNECTED", { action, problem: "the client is gone" });
}
