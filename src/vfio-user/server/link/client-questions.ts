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
/** How many questions are open at once; the others wait for their turn. */
export const MOST_QUESTIONS = 256;

/** What is to be asked. The message is made when it is sent: those that wait take no memory for it. */
interface Question {
  readonly command: number;
  readonly action: string;
  readonly payload: () => Uint8Array;
  readonly resolve: (payload: Uint8Array) => void;
  readonly reject: (error: unknown) => void;
}

interface OpenQuestion extends Question {
  readonly timer: NodeJS.Timeout;
}

/** Where questions go. */
export interface QuestionLink {
  readonly send: (message: Uint8Array) => void;
  /** Nothing more should be sent now. */
  readonly full: () => boolean;
  /** The client has not answered in time; what it answers later cannot be told from other things. */
  readonly onTimeout: () => void;
}

export class ClientQuestions {
  readonly #link: QuestionLink;
  readonly #open = new Map<number, OpenQuestion>();
  #waiting: Question[] = [];
  #lastId = 0;
  #ended = false;

  constructor(link: QuestionLink) {
    this.#link = link;
  }

  /** Replies are being waited for. */
  get open(): boolean {
    return this.#open.size > 0;
  }

  /** Sends a command, when it is its turn, and waits for its reply's payload, which is the caller's to keep. */
  ask(action: string, command: number, payload: () => Uint8Array): Promise<Uint8Array> {
    if (this.#ended) return Promise.reject(gone(action));
    return new Promise((resolve, reject) => {
      this.#waiting.push({ action, command, payload, resolve, reject });
      this.askWaiting();
    });
  }

  /** Sends what has its turn now. */
  askWaiting(): void {
    let asked = 0;
    for (; asked < this.#waiting.length && this.#open.size < MOST_QUESTIONS; asked += 1) {
      const question = this.#waiting[asked];
      if (question === undefined || this.#link.full()) break;
      this.#send(question);
      // A client that is gone takes all questions with it.
      if (this.#ended) return;
    }
    if (asked > 0) this.#waiting = this.#waiting.slice(asked);
  }

  #send(question: Question): void {
    do this.#lastId = (this.#lastId + 1) & 0xffff;
    while (this.#open.has(this.#lastId));
    const id = this.#lastId;
    const payload = question.payload();
    const message = new Uint8Array(VFIO_USER_HEADER.size + payload.length);
    message.set(payload, VFIO_USER_HEADER.size);
    writeHeader(message, id, question.command, message.length, VFIO_USER_F_TYPE_COMMAND, 0);
    const timer = setTimeout(() => this.#timeUp(id), REPLY_MILLISECONDS);
    this.#open.set(id, { ...question, timer });
    this.#link.send(message);
  }

  /** Takes a reply; false when nobody asked for it. */
  takeReply({ id, command, flags, payload, errno }: Message): boolean {
    const question = this.#open.get(id);
    if (question === undefined || question.command !== command) return false;
    this.#close(id, question);
    this.askWaiting();
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
    for (const { action, reject } of this.#waiting.splice(0)) reject(gone(action));
  }

  #timeUp(id: number): void {
    const question = this.#open.get(id);
    if (question === undefined) return;
    this.#close(id, question);
    question.reject(
      hugebarError("ERR_TIMEOUT", { action: question.action, problem: noAnswer(REPLY_MILLISECONDS) }),
    );
    this.#link.onTimeout();
  }

  #close(id: number, { timer }: OpenQuestion): void {
    clearTimeout(timer);
    this.#open.delete(id);
  }
}

function gone(action: string) {
  return hugebarError("ERR_DISCONNECTED", { action, problem: "the client is gone" });
}
