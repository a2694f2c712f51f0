/** A client, as a device's author holds it: handlers are given the one that they work for. */

import type { Dma } from "../dma/dma.ts";
import type { MaybePromise } from "../link/session.ts";

/** An interrupt that a device raises. */
export interface Irq {
  /**
   * Raises it: the client is told, unless it has masked the interrupt, and then as soon as it unmasks it. A client that
   * does not listen is told nothing, and neither is one that has switched bus mastering off, of MSI and MSI-X.
   *
   * @throws ERR_DISCONNECTED when the client is gone.
   */
  trigger(): void;
}

/** The kinds of interrupts that a device may have. */
export type IrqKind = "intx" | "msi" | "msix" | "err" | "req";

/**
 * One client, from its coming to its end. What was begun for it cannot reach the next one: when it is gone, `dma` and
 * `irq` throw ERR_DISCONNECTED.
 */
export interface DeviceClient {
  /** The memory that it has mapped for DMA. */
  readonly dma: Dma;
  /** Aborted when the client is gone. */
  readonly signal: AbortSignal;
  /**
   * An interrupt of the device: INTx, or one of its MSI or MSI-X vectors; `err` tells the client of an error that the
   * device cannot recover from, `req` asks it to give the device back.
   *
   * @throws ERR_ARGUMENT when the device's `pci` describes no such interrupt.
   */
  irq(kind: IrqKind, vector?: number): Irq;
  /**
   * Begins work that a handler does not wait for. What it throws goes to the server's `onError`, but not that the client
   * is gone: that ends the work, and is no fault of the device.
   */
  run(work: () => MaybePromise<void>): void;
}
