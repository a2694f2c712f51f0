/** The client that handlers are given: one session's, and good no longer than that. */

import { describeValue, requireFunction, requireWord } from "../../arguments.ts";
import { hugebarError, HugebarError } from "../../errors.ts";
import {
  VFIO_PCI_ERR_IRQ_INDEX,
  VFIO_PCI_INTX_IRQ_INDEX,
  VFIO_PCI_MSIX_IRQ_INDEX,
  VFIO_PCI_MSI_IRQ_INDEX,
  VFIO_PCI_REQ_IRQ_INDEX,
} from "../../device/transport/vfio-abi.ts";
import { attempt } from "./attempt.ts";
import type { Dma } from "./dma/dma.ts";
import type { MaybePromise } from "./link/session.ts";
import type { DeviceClient, Irq, IrqKind } from "./parts/device-client.ts";
import type { ServedInterrupts } from "./parts/served-interrupts.ts";

const IRQ_INDICES: Readonly<Record<IrqKind, number>> = {
  intx: VFIO_PCI_INTX_IRQ_INDEX,
  msi: VFIO_PCI_MSI_IRQ_INDEX,
  msix: VFIO_PCI_MSIX_IRQ_INDEX,
  err: VFIO_PCI_ERR_IRQ_INDEX,
  req: VFIO_PCI_REQ_IRQ_INDEX,
};

const IRQ_KINDS: readonly IrqKind[] = ["intx", "msi", "msix", "err", "req"];

export class SessionClient implements DeviceClient {
  readonly dma: Dma;
  readonly #interrupts: ServedInterrupts;
  readonly #mastersBus: () => boolean;
  readonly #onError: (error: unknown) => void;
  readonly #gone = new AbortController();

  /**
   * @param interrupts the device's, which are this client's until it is gone
   * @param mastersBus whether message-signalled ones are sent
   * @param onError told of what goes wrong where nobody waits for it
   */
  constructor(
    dma: Dma,
    interrupts: ServedInterrupts,
    mastersBus: () => boolean,
    onError: (error: unknown) => void,
  ) {
    this.dma = dma;
    this.#interrupts = interrupts;
    this.#mastersBus = mastersBus;
    this.#onError = onError;
  }

  get signal(): AbortSignal {
    return this.#gone.signal;
  }

  irq(kind: IrqKind, vector: number = 0): Irq {
    requireWord("kind of interrupt", kind, IRQ_KINDS);
    const index = IRQ_INDICES[kind];
    const { count } = this.#interrupts.info(index);
    if (!Number.isInteger(vector) || vector < 0 || vector >= count) {
      const problem = `the device has ${count} of this kind`;
      throw hugebarError("ERR_ARGUMENT", { what: `${kind} interrupt ${describeValue(vector)}`, problem });
    }
    return {
      trigger: () => {
        if (this.signal.aborted) throw gone(`raise ${kind} interrupt ${vector}`);
        // A message is a write to memory: lost without bus mastering, as in QEMU's devices (msi_send_message in hw/pci/).
        if ((kind === "msi" || kind === "msix") && !this.#mastersBus()) return;
        this.#interrupts.trigger(index, vector);
      },
    };
  }

  run(work: () => MaybePromise<void>): void {
    requireFunction("work", work);
    void attempt(work, (error) => {
      const wasGone =
        error instanceof HugebarError && error.code === "ERR_DISCONNECTED" && this.signal.aborted;
      if (!wasGone) this.#onError(error);
    });
  }

  /** It is gone. */
  end(): void {
    this.dma.end();
    this.#gone.abort(gone("serve the client"));
  }
}

function gone(action: string): HugebarError {
  return hugebarError("ERR_DISCONNECTED", { action, problem: "the client is gone" });
}
