/** Places in a region where writes only kick the device. */

import { signalEventfd } from "../../system/eventfd-signals.ts";
import type { IoEventFdInfo, Transport } from "../transport/transport.ts";

/** A place in a region where writes only kick the device. */
export interface RegionIoEventFd extends IoEventFdInfo {
  /** The eventfd, open until the device closes: for KVM_IOEVENTFD, say. */
  readonly fd: number;
  /**
   * Kicks, without a message and without waiting: the device notices when it does, after reads and writes that follow
   * perhaps. Throws ERR_CLOSED.
   */
  kick(): void;
}

/** Asks for those of one region. @param requireOpen throws once they are closed */
export function ioeventfdsOf(
  transport: Transport,
  index: number,
  requireOpen: () => void,
): readonly RegionIoEventFd[] {
  return transport.ioeventfds(index).map(({ offset, size, datamatch, fd }) => ({
    offset,
    size,
    datamatch,
    fd,
    kick: () => {
      requireOpen();
      signalEventfd(fd);
    },
  }));
}
