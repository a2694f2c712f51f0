/** The state that a client reads: the author's pieces as one stream. */

import { requireBytes } from "../../../arguments.ts";
import type { StatePieces } from "./migration-description.ts";

const NOTHING = new Uint8Array(0);

type Source = Iterator<unknown, unknown> | AsyncIterator<unknown, unknown>;

/** Begins to make them: what that throws, the one who reads is told. */
export type MakePieces = () => StatePieces;

export class OutgoingState {
  #make: MakePieces | null;
  #source: Source | null = null;
  /** A piece is being waited for. */
  #asking = false;
  /** What of the last piece was not read yet. */
  #rest: Uint8Array = NOTHING;
  /** What the author threw: there is no going on behind that. */
  #failure: { readonly error: unknown } | null = null;

  constructor(make: MakePieces) {
    this.#make = make;
  }

  /** Fills `target` as far as there is something now; returns how many bytes that were. */
  async read(target: Uint8Array): Promise<number> {
    let done = 0;
    while (done < target.length) {
      const piece = this.#rest.length > 0 ? this.#rest : await this.#next();
      if (piece.length === 0) break;
      const count = Math.min(piece.length, target.length - done);
      target.set(piece.subarray(0, count), done);
      // What is left is kept as it is now: the device may run on, and it is the author's own memory.
      this.#rest = piece === this.#rest ? piece.subarray(count) : piece.slice(count);
      done += count;
    }
    return done;
  }

  /** No more pieces are asked for; of the last one, what was not read yet can be. */
  async leave(): Promise<void> {
    this.#make = null;
    const source = this.#source;
    this.#source = null;
    const left = source?.return?.();
    // Who is asked for a piece right now hears of it behind that, which may be never.
    if (this.#asking) void ignored(left);
    else await left;
  }

  /** What is read from now on comes from these. */
  continueWith(make: MakePieces): void {
    this.#make = make;
  }

  /** Nothing, where there is none now or at all. */
  async #next(): Promise<Uint8Array> {
    if (this.#failure !== null) throw this.#failure.error;
    this.#asking = true;
    try {
      if (this.#make !== null) this.#source = iteratorOf(this.#make());
      this.#make = null;
      const next = await this.#source?.next();
      if (next === undefined || next.done === true) {
        this.#source = null;
        return NOTHING;
      }
      const { value: piece } = next;
      requireBytes("a piece of the device's state", piece);
      return piece;
    } catch (error) {
      this.#failure = { error };
      throw error;
    } finally {
      this.#asking = false;
    }
  }
}

async function ignored(left: unknown): Promise<void> {
  try {
    await left;
  } catch {
    // Nobody reads any more.
  }
}

function iteratorOf(pieces: StatePieces): Source {
  return Symbol.asyncIterator in pieces ? pieces[Symbol.asyncIterator]() : pieces[Symbol.iterator]();
}
