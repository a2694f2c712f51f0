/** When the device has to keep quiet: asked for, waited for, and over again, one time after the other. */

import { hugebarError } from "../../errors.ts";
import type { DeviceDescription, QuiesceReason } from "./device-description.ts";
import { attempt } from "./attempt.ts";
import type { MaybePromise } from "./link/session.ts";
import type { DeviceClient } from "./parts/device-client.ts";

/** After this long the author is told: clients give up after 5 s, and do not say why. */
const PATIENCE_MILLISECONDS = 4000;

type Author = Pick<DeviceDescription, "quiesce" | "resume">;

export class Quiescence {
  readonly #author: Author;
  readonly #giveUp: (client: DeviceClient) => MaybePromise<void>;
  readonly #report: (error: unknown) => void;
  /** Settles when the device may be asked again; null where it never was. */
  #last: Promise<void> | null = null;

  /**
   * @param giveUp resets a device that did not become quiet: what it is doing nobody knows
   * @param report told of what the author must know and no client waits for
   */
  constructor(
    author: Author,
    giveUp: (client: DeviceClient) => MaybePromise<void>,
    report: (error: unknown) => void,
  ) {
    this.#author = author;
    this.#giveUp = giveUp;
    this.#report = report;
  }

  /**
   * Does `work` while the device keeps quiet; at once, where its author does not care.
   *
   * @throws what its author threw, where it does not become quiet, but for a client that is gone; what `work` throws
   */
  during(reason: QuiesceReason, client: DeviceClient, work: () => MaybePromise<void>): MaybePromise<void> {
    if (this.#author.quiesce === undefined && this.#author.resume === undefined) return work();
    const turn = this.#take(this.#last, reason, client, work);
    this.#last = turn.catch(() => {});
    return turn;
  }

  async #take(
    before: Promise<void> | null,
    reason: QuiesceReason,
    client: DeviceClient,
    work: () => MaybePromise<void>,
  ): Promise<void> {
    await before;
    try {
      await this.#becomeQuiet(reason, client);
      await work();
    } finally {
      await attempt(() => this.#author.resume?.(client, reason), this.#report);
    }
  }

  async #becomeQuiet(reason: QuiesceReason, client: DeviceClient): Promise<void> {
    const timer = setTimeout(() => this.#report(stillBusy(reason)), PATIENCE_MILLISECONDS);
    try {
      await this.#author.quiesce?.(client, reason);
    } catch (error) {
      if (reason === "client-lost") this.#report(error);
      else {
        await attempt(() => this.#giveUp(client), this.#report);
        throw error;
      }
    } finally {
      clearTimeout(timer);
    }
  }
}

const OCCASIONS: Readonly<Record<QuiesceReason, string>> = {
  "dma-unmap": "its client takes memory away",
  reset: "it is to be reset",
  "client-lost": "its client has gone",
};

function stillBusy(reason: QuiesceReason): Error {
  const action = `quiesce the device in time, as ${OCCASIONS[reason]}`;
  const problem = "it has taken 4 s so far, and is still waited for; clients give up after 5 s";
  return hugebarError("ERR_TIMEOUT", { action, problem });
}
