/** What a device's author writes down: its regions, and what happens as clients come and go. */

import type { HugebarError } from "../../errors.ts";
import type { ClientDmaRange } from "./dma/client-memory.ts";
import type { MaybePromise } from "./link/session.ts";
import type { MigrationDescription } from "./migration/migration-description.ts";
import type { DeviceClient } from "./parts/device-client.ts";
import type { IrqChange } from "./parts/irq-change.ts";
import type { ResetKind } from "./parts/reset-kind.ts";
import type { DeviceRegion } from "./parts/region-description.ts";
import type { PciDescription } from "./pci/pci-config-space.ts";

/**
 * Why the device is to keep quiet: memory that it may be using goes away (VFIO_USER_DMA_UNMAP), it is about to be reset, or its
 * client is gone.
 */
export type QuiesceReason = "dma-unmap" | "reset" | "client-lost";

export interface DeviceDescription {
  /** Makes it a PCI device with a configuration space (region 7), whose BARs are the regions 0 to 5. */
  readonly pci?: PciDescription;
  readonly regions: readonly DeviceRegion[];
  /**
   * Puts the device into its first state: a client may ask for it at any time, and the end of a client does; `kind` says
   * which it is. Configuration space and what stands in `registers` are reset before. The client's answer waits for it, at
   * its end the next client; at the end what it throws goes to `onError`.
   */
  reset?(client: DeviceClient, kind: ResetKind): MaybePromise<void>;
  /**
   * Reaches clients' memory by messages alone, even where they pass files along: slower, and each access is the client's to
   * see, and to refuse. `view` is not supported then.
   */
  readonly dmaByMessages?: boolean;
  /** Lets clients move its state to another server. */
  readonly migration?: MigrationDescription;
  /**
   * Asks the device to stop using the client's memory and interrupts, before one of the reasons happens: it lets what is under
   * way end, and begins nothing new until `resume`. It is waited for as long as it takes, by the client's answer, or by the
   * next client; `onError` is told after 4 s. Where it throws, the client's request fails with that, and the device is reset; at the
   * client's end `onError` is told, and all goes on.
   */
  quiesce?(client: DeviceClient, reason: QuiesceReason): MaybePromise<void>;
  /** What it was asked to keep quiet for is over: once for each `quiesce`. What this throws goes to `onError`. */
  resume?(client: DeviceClient, reason: QuiesceReason): MaybePromise<void>;
  /**
   * The client listens to interrupts, or no longer, or has masked or unmasked them by a request. At its end none is enabled,
   * and this is not called. The answer waits as for `dmaMapped`.
   */
  irqChanged?(change: IrqChange, client: DeviceClient): MaybePromise<void>;
  /** The client has mapped memory for DMA. Its answer waits for this; what it throws goes to `onError` and changes nothing. */
  dmaMapped?(range: ClientDmaRange, client: DeviceClient): MaybePromise<void>;
  /**
   * A range is about to be unmapped, after `quiesce`: what the device holds of it is to be given up, leases first. It can
   * still be used until this is done, but at the end of its client. The answer waits as for `dmaMapped`.
   */
  dmaUnmapping?(range: ClientDmaRange, client: DeviceClient): MaybePromise<void>;
  /**
   * A client has come. What handlers hold of it is good until it is gone. What this throws goes to `onError` and changes
   * nothing.
   */
  connected?(client: DeviceClient): MaybePromise<void>;
  /**
   * The client is gone, and the memory and the eventfds that it lent with it; called once for each that came. The next
   * one is accepted when this has settled: what is to be over by then is waited for here. Leases that are still held are
   * good until then. `error` is null when it hung up with nothing under way, or the server was closed; else it says what was cut off:
   * ERR_DISCONNECTED (in the middle of a message or of a request), ERR_TIMEOUT (it did not answer), ERR_PROTOCOL
   * (it was hung up on), ERR_SYSTEM.
   */
  disconnected?(error: HugebarError | null, client: DeviceClient): MaybePromise<void>;
}
