/** The state that a client writes: its messages as pieces for the author, one at a time. */

import { constants } from "node:os";
import { DeviceError } from "../../wire/device-error.ts";
import type { MaybePromise } from "../link/session.ts";

interface Offer {
  readonly bytes: Uint8Array;
  readonly taken: PromiseWithResolvers<void>;
}

export class IncomingState {
  /** What the author waits for; null stands for the end. */
  #wanted: PromiseWithResolvers<Uint8Array | null> | null = null;
  #offer: Offer | null = null;
  #ended = false;
  #broken: { readonly error: unknown } | null = null;
  /** The author has returned, or thrown. */
  #loaded = false;
  readonly #loading: Promise<void>;

  /** Begins to load. */
  constructor(load: (pieces: AsyncIterable<Uint8Array>) => MaybePromise<void>) {
    this.#loading = this.#load(load);
    // Whoever waits for it is told; until then nobody may.
    this.#loading.catch(() => {});
  }

  async #load(load: (pieces: AsyncIterable<Uint8Array>) => MaybePromise<void>): Promise<void> {
    try {
      await load(this.#pieces());
      this.#refuse(notWanted());
    } catch (error) {
      this.#refuse(error);
      throw error;
    } finally {
      this.#loaded = true;
    }
  }

  /**
   * Hands over some bytes; resolves when the author has taken them, and so has time for more.
   *
   * @throws what the author threw; EINVAL where it takes no more
   */
  async write(bytes: Uint8Array): Promise<void> {
    if (bytes.length === 0) return;
    if (this.#loaded) {
      await this.#loading;
      throw notWanted();
    }
    const piece = bytes.slice();
    if (this.#wanted !== null) {
      this.#wanted.resolve(piece);
      this.#wanted = null;
      return;
    }
    const taken = Promise.withResolvers<void>();
    this.#offer = { bytes: piece, taken };
    await taken.promise;
  }

  /** That was all; resolves when the author has made a state of it. @throws what it threw */
  async finish(): Promise<void> {
    this.#ended = true;
    this.#wanted?.resolve(null);
    this.#wanted = null;
    await this.#loading;
  }

  /** There is no more, and it was not all; resolves when the author has noticed. */
  async breakOff(error: unknown): Promise<void> {
    this.#broken = { error };
    this.#wanted?.reject(error);
    this.#wanted = null;
    this.#refuse(error);
    try {
      await this.#loading;
    } catch {
      // It has nothing more to say than what broke it off.
    }
  }

  #refuse(error: unknown): void {
    this.#offer?.taken.reject(error);
    this.#offer = null;
  }

  async *#pieces(): AsyncGenerator<Uint8Array, void, undefined> {
    for (let piece = await this.#take(); piece !== null; piece = await this.#take()) yield piece;
  }

  #take(): Promise<Uint8Array | null> | Uint8Array | null {
    if (this.#broken !== null) throw this.#broken.error;
    if (this.#offer !== null) {
      const { bytes, taken } = this.#offer;
      this.#offer = null;
      taken.resolve();
      return bytes;
    }
    if (this.#ended) return null;
    this.#wanted = Promise.withResolvers();
    return this.#wanted.promise;
  }
}

function notWanted(): DeviceError {
  return new DeviceError(constants.errno.EINVAL, "the device takes no more of its state");
}
