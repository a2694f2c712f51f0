/** What a client's VFIO_USER_DEVICE_SET_IRQS means to a device's author. */

import {
  VFIO_IRQ_SET_ACTION_MASK,
  VFIO_IRQ_SET_ACTION_TRIGGER,
  VFIO_IRQ_SET_ACTION_TYPE_MASK,
  VFIO_IRQ_SET_DATA_BOOL,
  VFIO_IRQ_SET_DATA_EVENTFD,
  VFIO_IRQ_SET_DATA_TYPE_MASK,
} from "../../../device/transport/vfio-abi.ts";
import type { IrqKind } from "./device-client.ts";
import type { SetIrqs } from "./served-interrupts.ts";

/** Interrupts `start` to `start + count - 1` of a kind, and what the client has done to them. */
export interface IrqChange {
  readonly kind: IrqKind;
  readonly start: number;
  readonly count: number;
  /** The client listens to them, or no longer; or has masked or unmasked them by a request, as it can INTx. */
  readonly state: "enabled" | "disabled" | "masked" | "unmasked";
}

/** By VFIO's index. */
const KINDS: readonly IrqKind[] = ["intx", "msi", "msix", "err", "req"];

/**
 * What a request that was carried out has changed; nothing, where it only raises interrupts, or has an eventfd unmask INTx.
 *
 * @param eventfds how many came with it
 * @param total how many interrupts the device has of that index
 */
export function changesOf(request: SetIrqs, eventfds: number, total: number): IrqChange[] {
  const { flags, index, start, count, data } = request;
  const action = flags & VFIO_IRQ_SET_ACTION_TYPE_MASK;
  const type = flags & VFIO_IRQ_SET_DATA_TYPE_MASK;
  const kind = KINDS[index];
  if (kind === undefined) return [];
  if (action === VFIO_IRQ_SET_ACTION_TRIGGER) {
    if (type === VFIO_IRQ_SET_DATA_EVENTFD)
      return [{ kind, start, count, state: eventfds === 0 ? "disabled" : "enabled" }];
    return count === 0 && total > 0 ? [{ kind, start: 0, count: total, state: "disabled" }] : [];
  }
  if (type === VFIO_IRQ_SET_DATA_EVENTFD) return [];
  const state = action === VFIO_IRQ_SET_ACTION_MASK ? "masked" : "unmasked";
  if (type !== VFIO_IRQ_SET_DATA_BOOL) return [{ kind, start, count, state }];
  return [...data].flatMap((chosen, at) =>
    chosen === 0 ? [] : [{ kind, start: start + at, count: 1, state }],
  );
}
