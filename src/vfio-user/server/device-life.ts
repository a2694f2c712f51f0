/** What happens to a device as clients come, lend and take back memory, reset it and go: its author's part of it, in order. */

import type { HugebarError } from "../../errors.ts";
import { attempt } from "./attempt.ts";
import type { DeviceDescription } from "./device-description.ts";
import type { ClientDmaRange } from "./dma/client-memory.ts";
import type { MaybePromise } from "./link/session.ts";
import type { ServedMigration } from "./migration/served-migration.ts";
import type { DeviceClient } from "./parts/device-client.ts";
import type { IrqChange } from "./parts/irq-change.ts";
import type { ResetKind } from "./parts/reset-kind.ts";
import { Quiescence } from "./quiescence.ts";

/** What the server keeps for the device. */
interface Own {
  readonly migration: ServedMigration | null;
  /** Puts all else of it into its first state. */
  readonly resetOwn: () => void;
}

export class DeviceLife {
  readonly #author: DeviceDescription;
  readonly #own: Own;
  readonly #report: (error: unknown) => void;
  readonly #quiescence: Quiescence;

  /**
   * @param report told of what the author's functions throw where no client waits for them
   */
  constructor(author: DeviceDescription, own: Own, report: (error: unknown) => void) {
    this.#author = author;
    this.#own = own;
    this.#report = report;
    this.#quiescence = new Quiescence(author, (client) => this.#toFirstState(client, "device"), report);
  }

  connected(client: DeviceClient): void {
    client.run(() => this.#author.connected?.(client));
  }

  /** Resets it, while it keeps quiet. */
  reset(client: DeviceClient, kind: ResetKind): MaybePromise<void> {
    return this.#quiescence.during("reset", client, () => this.#toFirstState(client, kind));
  }

  /** Tells what the client has done to interrupts. */
  irqsChanged(changes: () => readonly IrqChange[], client: DeviceClient): MaybePromise<void> {
    if (this.#author.irqChanged === undefined) return;
    return attempt(async () => {
      for (const change of changes()) await this.#author.irqChanged?.(change, client);
    }, this.#report);
  }

  /** Tells what the client has mapped. */
  dmaMapped(range: ClientDmaRange, client: DeviceClient): MaybePromise<void> {
    if (this.#author.dmaMapped !== undefined)
      return attempt(() => this.#author.dmaMapped?.(range, client), this.#report);
  }

  /** Has it keep quiet and give the ranges up, and then takes them away. */
  dmaUnmapping(
    ranges: readonly ClientDmaRange[],
    client: DeviceClient,
    unmap: () => MaybePromise<void>,
  ): MaybePromise<void> {
    return this.#quiescence.during("dma-unmap", client, () => {
      if (this.#author.dmaUnmapping === undefined) return unmap();
      return this.#giveUp(ranges, client).then(unmap);
    });
  }

  /**
   * Has it keep quiet, give up the ranges that are left and be reset, and tells of the client's end. Resolves when the next
   * one may come.
   */
  async disconnected(
    error: HugebarError | null,
    client: DeviceClient,
    ranges: readonly ClientDmaRange[],
  ): Promise<void> {
    await this.#quiescence.during("client-lost", client, async () => {
      await this.#giveUp(ranges, client);
      await attempt(() => this.#toFirstState(client, "client-lost"), this.#report);
    });
    await attempt(() => this.#author.disconnected?.(error, client), this.#report);
  }

  async #giveUp(ranges: readonly ClientDmaRange[], client: DeviceClient): Promise<void> {
    if (this.#author.dmaUnmapping === undefined) return;
    for (const range of ranges) await attempt(() => this.#author.dmaUnmapping?.(range, client), this.#report);
  }

  #toFirstState(client: DeviceClient, kind: ResetKind): MaybePromise<void> {
    const { migration, resetOwn } = this.#own;
    const reset = (): MaybePromise<void> => {
      resetOwn();
      for (const { registers } of this.#author.regions) registers?.reset(kind);
      return this.#author.reset?.(client, kind);
    };
    return migration === null || migration.untouched ? reset() : migration.reset(client, reset);
  }
}
