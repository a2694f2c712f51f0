/**
 * The interrupts of a served device: which of the client's eventfds each one signals, and which are masked. Requests are
 * VFIO_DEVICE_SET_IRQS as the kernel knows it (linux/vfio.h).
 */

import { constants } from "node:os";
import { hugebarError } from "../../../errors.ts";
import {
  VFIO_IRQ_INFO_AUTOMASKED,
  VFIO_IRQ_INFO_EVENTFD,
  VFIO_IRQ_INFO_MASKABLE,
  VFIO_IRQ_SET_ACTION_MASK,
  VFIO_IRQ_SET_ACTION_TRIGGER,
  VFIO_IRQ_SET_ACTION_TYPE_MASK,
  VFIO_IRQ_SET_ACTION_UNMASK,
  VFIO_IRQ_SET_DATA_BOOL,
  VFIO_IRQ_SET_DATA_EVENTFD,
  VFIO_IRQ_SET_DATA_NONE,
  VFIO_IRQ_SET_DATA_TYPE_MASK,
  VFIO_PCI_INTX_IRQ_INDEX,
  VFIO_PCI_NUM_IRQS,
} from "../../../device/transport/vfio-abi.ts";
import { linux } from "../../../system/libc.ts";
import { DeviceError } from "../../wire/device-error.ts";
import { signalEventfd } from "../../../system/eventfd-signals.ts";
import { isEventfd, watchEventfd, type WatchedEventfd } from "../../../system/eventfds.ts";

const { EBUSY, EINVAL, ENOTTY } = constants.errno;

export interface SetIrqs {
  readonly flags: number;
  readonly index: number;
  readonly start: number;
  readonly count: number;
  /** What follows the structure: booleans, for VFIO_IRQ_SET_DATA_BOOL. */
  readonly data: Uint8Array;
}

interface Interrupt {
  eventfd: number | null;
  masked: boolean;
  /** Triggered while masked. */
  pending: boolean;
  /** An eventfd of the client's that unmasks it. */
  unmasking: WatchedEventfd | null;
}

/** The bit of the command register that disables INTx, and what STATUS shows meanwhile (PCI Local Bus 3.0, 6.2.2 and 6.2.3). */
export interface IntxGate {
  isOpen(): boolean;
  /** Whether an interrupt waits. */
  showWaiting(waits: boolean): void;
}

export class ServedInterrupts {
  /** By index (VFIO_PCI_INTX_IRQ_INDEX …), then by number. */
  readonly #interrupts: readonly (readonly Interrupt[])[];

  /** Null where there is no configuration space to hold INTx back. */
  readonly #intx: IntxGate | null;
  /** Triggered while the gate was shut. */
  #held: Interrupt | null = null;

  /** @param counts how many interrupts there are of each index */
  constructor(counts: ReadonlyMap<number, number>, intx: IntxGate | null = null) {
    this.#intx = intx;
    this.#interrupts = Array.from({ length: VFIO_PCI_NUM_IRQS }, (_, index) =>
      Array.from({ length: counts.get(index) ?? 0 }, () => ({
        eventfd: null,
        masked: false,
        pending: false,
        unmasking: null,
      })),
    );
  }

  /** INTx alone can be masked by requests, as the kernel has it (vfio_pci_ioctl_get_irq_info in drivers/vfio/pci/). */
  info(index: number): { flags: number; count: number } {
    const count = this.#ofIndex(index).length;
    if (count === 0) return { flags: 0, count };
    const level = index === VFIO_PCI_INTX_IRQ_INDEX ? VFIO_IRQ_INFO_MASKABLE | VFIO_IRQ_INFO_AUTOMASKED : 0;
    return { flags: VFIO_IRQ_INFO_EVENTFD | level, count };
  }

  /**
   * Raises an interrupt: the client's eventfd is signalled, unless it is INTx and masked, or disabled in the command register,
   * which keeps it until it is not. Without a client that listens nothing happens.
   *
   * @throws ERR_ARGUMENT when the device has no such interrupt.
   */
  trigger(index: number, number: number): void {
    const interrupt = this.#interrupts[index]?.[number];
    if (interrupt === undefined) {
      throw hugebarError("ERR_ARGUMENT", {
        what: `interrupt ${number} of index ${index}`,
        problem: "the device has none",
      });
    }
    if (index === VFIO_PCI_INTX_IRQ_INDEX && this.#intx?.isOpen() === false) this.#hold(interrupt);
    else fire(interrupt, index);
  }

  /** Signals what was held back, if it may be signalled by now: after each write to configuration space. */
  release(): void {
    if (this.#held === null || this.#intx?.isOpen() === false) return;
    const interrupt = this.#held;
    this.#hold(null);
    fire(interrupt, VFIO_PCI_INTX_IRQ_INDEX);
  }

  /** Carries out a request. Eventfds that are kept are taken out of `descriptors`. */
  set(request: SetIrqs, descriptors: number[]): void {
    const { flags, index, start, count, data } = request;
    const all = this.#ofIndex(index);
    const action = flags & VFIO_IRQ_SET_ACTION_TYPE_MASK;
    const kind = flags & VFIO_IRQ_SET_DATA_TYPE_MASK;
    if ((flags & ~(VFIO_IRQ_SET_ACTION_TYPE_MASK | VFIO_IRQ_SET_DATA_TYPE_MASK)) !== 0) throw invalid();
    if (kind !== VFIO_IRQ_SET_DATA_EVENTFD && descriptors.length > 0) throw invalid();
    if (
      kind === VFIO_IRQ_SET_DATA_NONE &&
      action === VFIO_IRQ_SET_ACTION_TRIGGER &&
      start === 0 &&
      count === 0
    ) {
      if (data.length > 0) throw invalid();
      for (const interrupt of all) disable(interrupt);
      return;
    }
    if (count === 0 || start + count > all.length) throw invalid();
    const some = all.slice(start, start + count);
    if (kind === VFIO_IRQ_SET_DATA_EVENTFD) {
      if (data.length > 0) throw invalid();
      if (action === VFIO_IRQ_SET_ACTION_TRIGGER) assign(some, descriptors);
      else bindUnmasking(some, index, action, descriptors);
      return;
    }
    act(chosen(some, kind, data), action, index);
  }

  /** What a reset does: nothing waits to be told of any more. Eventfds and masks are the client's, and stay. */
  reset(): void {
    this.#hold(null);
    for (const interrupt of this.#interrupts.flat()) interrupt.pending = false;
  }

  /** What a client's end does: all is let go of. */
  clear(): void {
    this.#hold(null);
    for (const interrupt of this.#interrupts.flat()) disable(interrupt);
  }

  #hold(interrupt: Interrupt | null): void {
    this.#held = interrupt;
    this.#intx?.showWaiting(interrupt !== null);
  }

  #ofIndex(index: number): readonly Interrupt[] {
    const interrupts = this.#interrupts[index];
    if (interrupts === undefined) throw invalid();
    return interrupts;
  }
}

/** The interrupts that the request's booleans pick, or all of them without booleans. */
function chosen(interrupts: readonly Interrupt[], kind: number, data: Uint8Array): readonly Interrupt[] {
  if (kind === VFIO_IRQ_SET_DATA_NONE && data.length === 0) return interrupts;
  if (kind !== VFIO_IRQ_SET_DATA_BOOL || data.length !== interrupts.length) throw invalid();
  return interrupts.filter((_, at) => data[at] !== 0);
}

/** What is no level is not masked (ENOTTY, vfio_pci_set_irqs_ioctl in drivers/vfio/pci/vfio_pci_intrs.c). */
function act(interrupts: readonly Interrupt[], action: number, index: number): void {
  const masks = action === VFIO_IRQ_SET_ACTION_MASK || action === VFIO_IRQ_SET_ACTION_UNMASK;
  if (masks && index !== VFIO_PCI_INTX_IRQ_INDEX) throw new DeviceError(ENOTTY);
  for (const interrupt of interrupts) {
    switch (action) {
      case VFIO_IRQ_SET_ACTION_MASK:
        interrupt.masked = true;
        break;
      case VFIO_IRQ_SET_ACTION_UNMASK:
        unmask(interrupt, index);
        break;
      case VFIO_IRQ_SET_ACTION_TRIGGER:
        fire(interrupt, index);
        break;
      default:
        throw invalid();
    }
  }
}

/** One eventfd for each interrupt, or none at all, which takes theirs away. */
function assign(interrupts: readonly Interrupt[], descriptors: number[]): void {
  if (descriptors.length === 0) {
    for (const interrupt of interrupts) disable(interrupt);
    return;
  }
  if (descriptors.length !== interrupts.length || !descriptors.every(isEventfd)) throw invalid();
  const eventfds = descriptors.splice(0);
  for (const [at, interrupt] of interrupts.entries()) {
    silence(interrupt);
    interrupt.eventfd = eventfds[at] ?? null;
  }
}

/**
 * Lets the client unmask INTx by an eventfd, as KVM does at the end of an interrupt (resamplefd); without a descriptor,
 * no longer. The direction is the kernel's, "ACTION_[UN]MASK specify user->kernel signaling" (linux/vfio.h), and so is
 * what there is: nothing to mask by an eventfd, nothing for MSI and MSI-X (ENOTTY, vfio_pci_set_irqs_ioctl and
 * vfio_pci_set_intx_mask), one eventfd at a time (EBUSY, vfio_virqfd_enable), and none before INTx is in use (EINVAL,
 * vfio_pci_set_intx_unmask), all of drivers/vfio/.
 */
function bindUnmasking(
  [interrupt]: readonly Interrupt[],
  index: number,
  action: number,
  descriptors: number[],
): void {
  if (action !== VFIO_IRQ_SET_ACTION_MASK && action !== VFIO_IRQ_SET_ACTION_UNMASK) throw invalid();
  if (action === VFIO_IRQ_SET_ACTION_MASK || index !== VFIO_PCI_INTX_IRQ_INDEX) throw new DeviceError(ENOTTY);
  if (interrupt === undefined || interrupt.eventfd === null || descriptors.length > 1) throw invalid();
  const [eventfd] = descriptors;
  if (eventfd === undefined) {
    stopUnmasking(interrupt);
    return;
  }
  if (!isEventfd(eventfd)) throw invalid();
  if (interrupt.unmasking !== null) throw new DeviceError(EBUSY);
  interrupt.unmasking = watchEventfd(eventfd, () => unmask(interrupt, index));
  descriptors.splice(0);
}

function stopUnmasking(interrupt: Interrupt): void {
  interrupt.unmasking?.close();
  interrupt.unmasking = null;
}

function disable(interrupt: Interrupt): void {
  silence(interrupt);
  stopUnmasking(interrupt);
}

function silence(interrupt: Interrupt): void {
  if (interrupt.eventfd !== null) linux.close(interrupt.eventfd);
  interrupt.eventfd = null;
  interrupt.masked = false;
  interrupt.pending = false;
}

function unmask(interrupt: Interrupt, index: number): void {
  interrupt.masked = false;
  if (!interrupt.pending) return;
  interrupt.pending = false;
  fire(interrupt, index);
}

function fire(interrupt: Interrupt, index: number): void {
  const { eventfd, masked } = interrupt;
  if (eventfd === null) return;
  if (masked) {
    interrupt.pending = true;
    return;
  }
  // INTx is a level: it is signalled once, and again only after the client has unmasked it.
  if (index === VFIO_PCI_INTX_IRQ_INDEX) interrupt.masked = true;
  signalEventfd(eventfd);
}

function invalid(): DeviceError {
  return new DeviceError(EINVAL);
}
