/** For tests: the interrupts of the blocking device, with the checks and answers of libvfio-user (lib/irq.c). */

import { constants } from "node:os";
import {
  VFIO_IRQ_INFO,
  VFIO_IRQ_INFO_EVENTFD,
  VFIO_IRQ_SET,
  VFIO_IRQ_SET_ACTION_TRIGGER,
  VFIO_IRQ_SET_DATA_EVENTFD,
} from "../../device/transport/vfio-abi.ts";
import { linux } from "../../system/libc.ts";
import type { Answer } from "./blocking-server.fixture.ts";
import { DeviceError } from "../wire/device-error.ts";
import { invalid } from "../wire/payload.ts";

const { ENOENT } = constants.errno;
const VECTORS = 12;
/** How many there are, by index. */
export const IRQ_COUNTS: readonly number[] = [1, 0, VECTORS, 1, 1];

export class BlockingInterrupts {
  /** INTx and the vectors share them, as they do there. */
  readonly #eventfds = new Map<number, number>();

  /** VFIO_USER_DEVICE_GET_IRQ_INFO */
  describe(payload: Uint8Array): Answer {
    if (payload.length < VFIO_IRQ_INFO.size) throw invalid();
    const { argsz, index } = VFIO_IRQ_INFO.decode(payload);
    const count = IRQ_COUNTS[index];
    if (argsz < VFIO_IRQ_INFO.size || count === undefined) throw invalid();
    return { payload: VFIO_IRQ_INFO.encode({ argsz: 16, flags: VFIO_IRQ_INFO_EVENTFD, index, count }) };
  }

  /** VFIO_USER_DEVICE_SET_IRQS */
  set(payload: Uint8Array, descriptors: number[]): Answer {
    if (payload.length < VFIO_IRQ_SET.size) throw invalid();
    const { argsz, flags, index, start, count } = VFIO_IRQ_SET.decode(payload);
    const all = IRQ_COUNTS[index];
    if (argsz < VFIO_IRQ_SET.size || all === undefined || start >= all || start + count > all)
      throw invalid();
    if (descriptors.length > 0 && descriptors.length !== count) throw invalid();
    if ((flags & VFIO_IRQ_SET_ACTION_TRIGGER) === 0) return {};
    const isEventfd = (flags & VFIO_IRQ_SET_DATA_EVENTFD) !== 0;
    const end = count === 0 ? all : start + count;
    for (let vector = start; vector < end; vector += 1) {
      if (isEventfd || count === 0) this.#assign(vector, descriptors.shift());
      else this.#signal(vector);
    }
    return {};
  }

  /** What the author's code does; without an eventfd there is nothing to raise. */
  raise(vector: number): void {
    if (!this.#signal(vector)) throw new DeviceError(ENOENT);
  }

  /** The client is gone. */
  forget(): void {
    for (const fd of this.#eventfds.values()) linux.close(fd);
    this.#eventfds.clear();
  }

  #assign(vector: number, eventfd: number | undefined): void {
    const old = this.#eventfds.get(vector);
    if (old !== undefined) linux.close(old);
    this.#eventfds.delete(vector);
    if (eventfd !== undefined) this.#eventfds.set(vector, eventfd);
  }

  #signal(vector: number): boolean {
    const eventfd = this.#eventfds.get(vector);
    if (eventfd === undefined) return false;
    linux.write(eventfd, new Uint8Array(new BigUint64Array([1n]).buffer));
    return true;
  }
}
