/**
 * VFIO_USER_DEVICE_GET_REGION_IO_FDS: eventfds for the places of a region where the client only kicks. Ioregionfds, the
 * other kind that the specification knows, are not offered: no kernel has them.
 */

import { watchEventfd, type WatchedEventfd } from "../../../system/eventfds.ts";
import { EFD_CLOEXEC, EFD_NONBLOCK } from "../../../system/constants.ts";
import { linux } from "../../../system/libc.ts";
import type { IoEventFd } from "./region-description.ts";
import { decodeHead, invalid } from "../../wire/payload.ts";
import {
  KVM_IOEVENTFD_FLAG_DATAMATCH,
  VFIO_USER_IO_FD_TYPE_IOEVENTFD,
  VFIO_USER_REGION_IO_FDS,
  VFIO_USER_SUB_REGION_IOEVENTFD,
} from "../../wire/protocol.ts";
import type { ReplyMessage } from "../link/reply-message.ts";
import type { DeviceClient } from "./device-client.ts";
import type { ServedRegion } from "./served-region.ts";
import type { PeerLimits } from "../../wire/version.ts";

const HEAD = VFIO_USER_REGION_IO_FDS;
const ENTRY = VFIO_USER_SUB_REGION_IOEVENTFD;

interface Offer {
  readonly fd: number;
  readonly watch: WatchedEventfd;
}

/** What one client was given; another one gets eventfds of its own, for the first may not be through with its. */
export class RegionIoFds {
  readonly #regions: readonly ServedRegion[];
  readonly #offers = new Map<IoEventFd, Offer>();

  constructor(regions: readonly ServedRegion[]) {
    this.#regions = regions;
  }

  /** Answers a request. The client is told of as many as it takes descriptors; the others it kicks by messages. */
  describe(payload: Uint8Array, reply: ReplyMessage, limits: PeerLimits, client: DeviceClient): void {
    const { argsz, flags, index, count } = decodeHead(HEAD, payload);
    const region = this.#regions[index];
    if (region === undefined || argsz < HEAD.size || flags !== 0 || count !== 0) throw invalid();
    const told = region.ioeventfds.slice(0, limits.maxDescriptors);
    const size = HEAD.size + told.length * ENTRY.size;
    const head = { argsz: size, index, count: told.length };
    // Too little room: only the structure, whose argsz tells what a second try needs.
    const answer = reply.payload(argsz < size ? HEAD.size : size);
    HEAD.encodeInto(answer, 0, head);
    if (argsz < size) return;
    for (const [number, { offset, size, datamatch }] of told.entries()) {
      ENTRY.encodeInto(answer, HEAD.size + number * ENTRY.size, {
        offset: BigInt(offset),
        size: BigInt(size),
        fd_index: number,
        type: VFIO_USER_IO_FD_TYPE_IOEVENTFD,
        flags: datamatch === undefined ? 0 : KVM_IOEVENTFD_FLAG_DATAMATCH,
        datamatch: datamatch ?? 0n,
      });
    }
    reply.pass(...told.map((ioeventfd) => this.#offer(ioeventfd, client).fd));
  }

  /** What is signalled from now on kicks nobody. */
  close(): void {
    for (const { watch } of this.#offers.values()) watch.close();
    this.#offers.clear();
  }

  #offer(ioeventfd: IoEventFd, client: DeviceClient): Offer {
    const known = this.#offers.get(ioeventfd);
    if (known !== undefined) return known;
    const fd = linux.eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    const kick = (times: number): void => client.run(() => ioeventfd.onKick(times, client));
    const offer = { fd, watch: watchEventfd(fd, kick) };
    this.#offers.set(ioeventfd, offer);
    return offer;
  }
}
