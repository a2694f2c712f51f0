/** The DMA address space of a device behind a socket: which memory its server is told of. */

import { hugebarError } from "../../errors.ts";
import type { DmaLimits, DmaRange, IoAddressSpace } from "../../device/transport/transport.ts";
import { brokenProtocol } from "../wire/client-faults.ts";
import { requestMessage } from "../wire/message-header.ts";
import {
  VFIO_USER_DMA_MAP,
  VFIO_USER_DMA_MAP_REQUEST,
  VFIO_USER_DMA_UNMAP,
  VFIO_USER_DMA_UNMAP_REQUEST,
  VFIO_USER_F_DMA_REGION_READ,
  VFIO_USER_F_DMA_REGION_WRITE,
} from "../wire/protocol.ts";
import type { PeerLimits } from "../wire/version.ts";
import type { DmaRanges } from "./dma-ranges.ts";
import type { RequestChannel } from "./request-channel.ts";

/** No address is another's here: the server holds a table, and no hardware is asked. */
const EVERY_ADDRESS = { first: 0n, last: 2n ** 64n - 1n };
const PAGE = 4096;

export class DmaClient implements IoAddressSpace {
  readonly name: string;
  readonly #channel: RequestChannel;
  readonly #limits: PeerLimits;
  readonly #ranges: DmaRanges;
  #closed = false;

  /** @param ranges the memory that the channel's commands reach */
  constructor(name: string, channel: RequestChannel, limits: PeerLimits, ranges: DmaRanges) {
    this.name = name;
    this.#channel = channel;
    this.#limits = limits;
    this.#ranges = ranges;
  }

  get closed(): boolean {
    return this.#closed;
  }

  map(range: DmaRange): void {
    const { iova, size, readable, writable, file } = range;
    const action = () => `map ${size} bytes at 0x${iova.toString(16)} for DMA of ${this.name}`;
    if (!this.#ranges.isFree(range)) {
      throw hugebarError("ERR_BUSY", { action: action(), problem: "something is mapped there already" });
    }
    const passed = file !== undefined && this.#limits.maxDescriptors > 0 ? file : null;
    const flags =
      (readable ? VFIO_USER_F_DMA_REGION_READ : 0) | (writable ? VFIO_USER_F_DMA_REGION_WRITE : 0);
    const payload = VFIO_USER_DMA_MAP_REQUEST.encode({
      argsz: VFIO_USER_DMA_MAP_REQUEST.size,
      flags,
      offset: BigInt(passed?.offset ?? 0),
      addr: iova,
      size: BigInt(size),
    });
    const descriptors = passed === null ? [] : [passed.fd];
    const head = requestMessage(payload);
    // The device may reach for it before we have read the reply.
    this.#ranges.add(range);
    try {
      this.#channel.exchange({ action, command: VFIO_USER_DMA_MAP, head, descriptors });
    } catch (error) {
      this.#ranges.remove(iova, size);
      throw error;
    }
    this.#channel.attend();
  }

  unmap(iova: bigint, size: number): void {
    const action = () => `unmap ${size} bytes at 0x${iova.toString(16)} from DMA of ${this.name}`;
    const payload = VFIO_USER_DMA_UNMAP_REQUEST.encode({
      argsz: VFIO_USER_DMA_UNMAP_REQUEST.size,
      addr: iova,
      size: BigInt(size),
    });
    this.#channel.exchange({ action, command: VFIO_USER_DMA_UNMAP, head: requestMessage(payload) });
    if (!this.#ranges.remove(iova, size)) throw brokenProtocol(action, "it agreed to cut a piece in two");
  }

  limits(): DmaLimits {
    const { pageSize, maxDmaMaps } = this.#limits;
    const entriesLeft = maxDmaMaps === null ? null : Math.max(0, maxDmaMaps - this.#ranges.count);
    return { usable: [EVERY_ADDRESS], alignment: pageSize ?? PAGE, pageSizes: null, entriesLeft };
  }

  logDirty(): never {
    const action = `log what ${this.name} writes`;
    throw hugebarError("ERR_NOT_SUPPORTED", { action, problem: "its server is asked for no such log" });
  }

  /** The connection is closed. */
  close(): void {
    this.#closed = true;
    this.#ranges.clear();
  }
}
