/** One client's session with a device: which request does what. */

import { constants } from "node:os";
import {
  VFIO_DEVICE_FLAGS_PCI,
  VFIO_DEVICE_FLAGS_RESET,
  VFIO_DEVICE_INFO,
  VFIO_IRQ_INFO,
  VFIO_IRQ_SET,
  VFIO_PCI_NUM_IRQS,
} from "../../device/transport/vfio-abi.ts";
import type { HugebarError } from "../../errors.ts";
import { ClientMemory } from "./dma/client-memory.ts";
import { Dma } from "./dma/dma.ts";
import { FatalRequest, type ClientLink, type MaybePromise, type Session } from "./link/session.ts";
import { DeviceError } from "../wire/device-error.ts";
import { deviceFeature } from "./device-features.ts";
import { askByMessages, mapMemory, unmapMemory } from "./dma/dma-requests.ts";
import type { Message } from "./link/message-reader.ts";
import { decodeHead, invalid } from "../wire/payload.ts";
import {
  VFIO_USER_DEVICE_FEATURE,
  VFIO_USER_DEVICE_GET_INFO,
  VFIO_USER_DEVICE_GET_IRQ_INFO,
  VFIO_USER_DEVICE_GET_REGION_INFO,
  VFIO_USER_DEVICE_GET_REGION_IO_FDS,
  VFIO_USER_DEVICE_RESET,
  VFIO_USER_DEVICE_SET_IRQS,
  VFIO_USER_DMA_MAP,
  VFIO_USER_DMA_UNMAP,
  VFIO_USER_F_TYPE_COMMAND,
  VFIO_USER_F_TYPE_MASK,
  VFIO_USER_MIG_DATA_READ,
  VFIO_USER_MIG_DATA_WRITE,
  VFIO_USER_REGION_READ,
  VFIO_USER_REGION_WRITE,
  VFIO_USER_REGION_WRITE_MULTI,
  VFIO_USER_VERSION,
} from "../wire/protocol.ts";
import { readState, writeState } from "./migration/migration-requests.ts";
import { describeRegion, readRegion, writeRegion, writeRegionMulti } from "./parts/region-requests.ts";
import { changesOf } from "./parts/irq-change.ts";
import { RegionIoFds } from "./parts/region-io-fds.ts";
import type { ReplyMessage } from "./link/reply-message.ts";
import type { DeviceClient } from "./parts/device-client.ts";
import type { ServedDevice } from "./served-device.ts";
import { SessionClient } from "./session-client.ts";
import {
  answerVersion,
  decodeVersion,
  encodeVersion,
  peerLimits,
  type PeerLimits,
  type Version,
} from "../wire/version.ts";

const { EINVAL, ENOSYS } = constants.errno;

/** The client, once it has told its version, and what it takes. */
interface Served {
  readonly client: SessionClient;
  readonly limits: PeerLimits;
}

export class DeviceSession implements Session {
  readonly #device: ServedDevice;
  readonly #link: ClientLink;
  readonly #memory: ClientMemory;
  readonly #ioFds: RegionIoFds;
  /** Null before the client has told its version. */
  #served: Served | null = null;

  constructor(device: ServedDevice, link: ClientLink) {
    this.#device = device;
    this.#link = link;
    this.#memory = new ClientMemory((error) => device.report(error), device.dmaByMessages);
    this.#ioFds = new RegionIoFds(device.regions);
  }

  get begun(): boolean {
    return this.#served !== null;
  }

  /** The client that is served; null before it has told its version, and when it is gone. */
  get client(): DeviceClient | null {
    return this.#served?.client ?? null;
  }

  handle(request: Message, reply: ReplyMessage): MaybePromise<void> {
    if (request.malformed) throw new FatalRequest(EINVAL, "a header that no message has");
    if ((request.flags & VFIO_USER_F_TYPE_MASK) !== VFIO_USER_F_TYPE_COMMAND)
      throw new FatalRequest(EINVAL, "an answer to what nobody asked");
    if (request.tooManyDescriptors)
      throw new FatalRequest(EINVAL, "more descriptors than `max_msg_fds` allows");
    if (request.command === VFIO_USER_VERSION) return this.#agreeOnVersion(request, reply);
    if (this.#served === null) throw new FatalRequest(EINVAL, "a command before its version");
    return this.#carryOut(request, reply, this.#served);
  }

  /**
   * The client is gone, and with it its memory and its eventfds; the next one finds the device reset. What the author still
   * holds of the memory is left until `disconnected` is done.
   */
  async close(error: HugebarError | null): Promise<void> {
    const served = this.#served;
    this.#served = null;
    served?.client.end();
    this.#device.interrupts.clear();
    this.#ioFds.close();
    if (served !== null) await this.#device.life.disconnected(error, served.client, this.#memory.mapped());
    await this.#memory.close();
  }

  #carryOut(request: Message, reply: ReplyMessage, { client, limits }: Served): MaybePromise<void> {
    const { regions, life, migration } = this.#device;
    const { command, payload, descriptors } = request;
    if (descriptors.length > 0 && command !== VFIO_USER_DMA_MAP && command !== VFIO_USER_DEVICE_SET_IRQS)
      throw invalid();
    switch (command) {
      case VFIO_USER_REGION_READ:
        return readRegion(regions, payload, reply, client);
      case VFIO_USER_REGION_WRITE:
        return writeRegion(regions, payload, reply, client);
      case VFIO_USER_REGION_WRITE_MULTI:
        return writeRegionMulti(regions, payload, reply, client);
      case VFIO_USER_DEVICE_GET_INFO:
        return this.#describeDevice(payload, reply);
      case VFIO_USER_DEVICE_GET_REGION_INFO:
        return describeRegion(regions, payload, reply, limits);
      case VFIO_USER_DEVICE_GET_REGION_IO_FDS:
        return this.#ioFds.describe(payload, reply, limits, client);
      case VFIO_USER_DEVICE_GET_IRQ_INFO:
        return this.#describeIrqs(payload, reply);
      case VFIO_USER_DEVICE_SET_IRQS:
        return this.#setIrqs(request, client);
      case VFIO_USER_DMA_MAP:
        return life.dmaMapped(mapMemory(this.#memory, request), client);
      case VFIO_USER_DMA_UNMAP:
        return unmapMemory(this.#memory, request, reply, (ranges, unmap) =>
          life.dmaUnmapping(ranges, client, unmap),
        );
      case VFIO_USER_DEVICE_RESET:
        if (payload.length > 0) throw invalid();
        return life.reset(client, "device");
      case VFIO_USER_DEVICE_FEATURE:
        return deviceFeature({ log: this.#memory.log, migration }, payload, reply, client);
      case VFIO_USER_MIG_DATA_READ:
        if (migration !== null) return readState(migration, payload, reply, limits.maxTransfer);
        throw new DeviceError(ENOSYS);
      case VFIO_USER_MIG_DATA_WRITE:
        if (migration !== null) return writeState(migration, payload);
        throw new DeviceError(ENOSYS);
      default:
        throw new DeviceError(ENOSYS);
    }
  }

  #agreeOnVersion(request: Message, reply: ReplyMessage): void {
    if (this.#served !== null) throw new FatalRequest(EINVAL, "a second version");
    if (request.descriptors.length > 0) throw new FatalRequest(EINVAL, "descriptors with its version");
    const [proposed, agreed] = agree(request.payload);
    if (agreed.capabilities.twin_socket?.supported === true) reply.pass(this.#link.openTwin());
    const answer = encodeVersion(agreed);
    reply.payload(answer.length).set(answer);
    const limits = peerLimits(proposed.capabilities);
    const device = this.#device;
    const mastersBus = (): boolean => device.mastersBus();
    const dma = new Dma(this.#memory, askByMessages(this.#link.ask, limits.maxTransfer), mastersBus);
    const client = new SessionClient(dma, device.interrupts, mastersBus, (error) => device.report(error));
    this.#served = { client, limits };
    this.#device.life.connected(client);
  }

  #describeDevice(payload: Uint8Array, reply: ReplyMessage): void {
    const { argsz } = decodeHead(VFIO_DEVICE_INFO, payload);
    if (argsz < VFIO_DEVICE_INFO.size) throw invalid();
    VFIO_DEVICE_INFO.encodeInto(reply.payload(VFIO_DEVICE_INFO.size), 0, {
      argsz: VFIO_DEVICE_INFO.size,
      flags: VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET,
      num_regions: this.#device.regions.length,
      num_irqs: VFIO_PCI_NUM_IRQS,
    });
  }

  #describeIrqs(payload: Uint8Array, reply: ReplyMessage): void {
    const { argsz, index } = decodeHead(VFIO_IRQ_INFO, payload);
    if (argsz < VFIO_IRQ_INFO.size) throw invalid();
    const { flags, count } = this.#device.interrupts.info(index);
    const answer = { argsz: VFIO_IRQ_INFO.size, flags, index, count };
    VFIO_IRQ_INFO.encodeInto(reply.payload(VFIO_IRQ_INFO.size), 0, answer);
  }

  #setIrqs({ payload, descriptors }: Message, client: DeviceClient): MaybePromise<void> {
    const { argsz, flags, index, start, count } = decodeHead(VFIO_IRQ_SET, payload);
    if (argsz < VFIO_IRQ_SET.size) throw invalid();
    const data = payload.subarray(VFIO_IRQ_SET.size);
    const { interrupts, life } = this.#device;
    const request = { flags, index, start, count, data };
    const eventfds = descriptors.length;
    interrupts.set(request, descriptors);
    return life.irqsChanged(() => changesOf(request, eventfds, interrupts.info(index).count), client);
  }
}

/** What the client proposes, and what is answered to that. */
function agree(payload: Uint8Array): [Version, Version] {
  try {
    const proposed = decodeVersion(payload, "the client");
    return [proposed, answerVersion(proposed, "the client")];
  } catch (error) {
    throw new FatalRequest(EINVAL, error instanceof Error ? error.message : String(error));
  }
}
