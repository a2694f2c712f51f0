/** One client's session with a device: which request does what, and what makes it a bad one. */

import { constants } from "node:os";
import {
  VFIO_DEVICE_FLAGS_PCI,
  VFIO_DEVICE_FLAGS_RESET,
  VFIO_DEVICE_INFO,
  VFIO_IRQ_INFO,
  VFIO_PCI_NUM_IRQS,
  VFIO_REGION_INFO,
  VFIO_REGION_INFO_FLAG_CAPS,
} from "../device/vfio-abi.ts";
import { getUint32 } from "../memory/little-endian.ts";
import { FatalRequest, type Session } from "./connection.ts";
import type { MaybePromise } from "./device-description.ts";
import { DeviceError } from "./device-error.ts";
import type { Message } from "./message-reader.ts";
import {
  VFIO_USER_DEVICE_GET_INFO,
  VFIO_USER_DEVICE_GET_IRQ_INFO,
  VFIO_USER_DEVICE_GET_REGION_INFO,
  VFIO_USER_DEVICE_RESET,
  VFIO_USER_DMA_MAP,
  VFIO_USER_DMA_UNMAP,
  VFIO_USER_F_TYPE_COMMAND,
  VFIO_USER_F_TYPE_MASK,
  VFIO_USER_REGION_ACCESS,
  VFIO_USER_REGION_READ,
  VFIO_USER_REGION_WRITE,
  VFIO_USER_VERSION,
} from "./protocol.ts";
import type { ReplyMessage } from "./reply-message.ts";
import type { ServedRegion } from "./served-region.ts";
import {
  answerVersion,
  decodeVersion,
  encodeVersion,
  OWN_CAPABILITIES,
  peerLimits,
  type PeerLimits,
} from "./version.ts";

const { EINVAL, ENOSYS } = constants.errno;
const ACCESS = VFIO_USER_REGION_ACCESS;

/** A device as all its clients see it, one after another. */
export interface ServedDevice {
  readonly regions: readonly ServedRegion[];
  reset(): MaybePromise<void>;
}

export class DeviceSession implements Session {
  readonly #device: ServedDevice;
  /** What the client takes; null before it has told its version. */
  #client: PeerLimits | null = null;
  /** The payload of the last read's reply, and the data in it. */
  #answer: Uint8Array = new Uint8Array(0);
  #answerData: Uint8Array = this.#answer;

  constructor(device: ServedDevice) {
    this.#device = device;
  }

  handle(request: Message, reply: ReplyMessage): MaybePromise<void> {
    if (request.malformed) throw new FatalRequest(EINVAL);
    if ((request.flags & VFIO_USER_F_TYPE_MASK) !== VFIO_USER_F_TYPE_COMMAND) throw new FatalRequest(EINVAL);
    if (request.tooManyDescriptors) throw new DeviceError(EINVAL);
    if (request.command === VFIO_USER_VERSION) return this.#agreeOnVersion(request, reply);
    if (this.#client === null) throw new FatalRequest(EINVAL);
    return this.#carryOut(request, reply, this.#client);
  }

  close(): void {
    this.#client = null;
  }

  #carryOut(request: Message, reply: ReplyMessage, client: PeerLimits): MaybePromise<void> {
    if (request.descriptors.length > 0 && request.command !== VFIO_USER_DMA_MAP)
      throw new DeviceError(EINVAL);
    switch (request.command) {
      case VFIO_USER_REGION_READ:
        return this.#readRegion(request, reply);
      case VFIO_USER_REGION_WRITE:
        return this.#writeRegion(request, reply);
      case VFIO_USER_DEVICE_GET_INFO:
        return this.#describeDevice(request, reply);
      case VFIO_USER_DEVICE_GET_REGION_INFO:
        return this.#describeRegion(request, reply, client);
      case VFIO_USER_DEVICE_GET_IRQ_INFO:
        return this.#describeIrqs(request, reply);
      case VFIO_USER_DEVICE_RESET:
        if (request.payload.length > 0) throw new DeviceError(EINVAL);
        return this.#device.reset();
      case VFIO_USER_DMA_MAP:
      case VFIO_USER_DMA_UNMAP:
        // A device that does no DMA has nothing to remember; clients tell it of their memory all the same.
        return;
      default:
        throw new DeviceError(ENOSYS);
    }
  }

  #agreeOnVersion(request: Message, reply: ReplyMessage): void {
    if (this.#client !== null || request.descriptors.length > 0) throw new FatalRequest(EINVAL);
    try {
      const proposed = decodeVersion(request.payload, "the client");
      const answer = encodeVersion(answerVersion(proposed, "the client"));
      this.#client = peerLimits(proposed.capabilities);
      reply.payload(answer.length).set(answer);
    } catch (error) {
      throw new FatalRequest(EINVAL, error instanceof Error ? error.message : String(error));
    }
  }

  #describeDevice({ payload }: Message, reply: ReplyMessage): void {
    const { argsz } = decodeExactly(VFIO_DEVICE_INFO, payload);
    if (argsz < VFIO_DEVICE_INFO.size) throw new DeviceError(EINVAL);
    VFIO_DEVICE_INFO.encodeInto(reply.payload(VFIO_DEVICE_INFO.size), 0, {
      argsz: VFIO_DEVICE_INFO.size,
      flags: VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET,
      num_regions: this.#device.regions.length,
      num_irqs: VFIO_PCI_NUM_IRQS,
    });
  }

  #describeRegion({ payload }: Message, reply: ReplyMessage, client: PeerLimits): void {
    const { argsz, index } = decodeExactly(VFIO_REGION_INFO, payload);
    const region = this.#region(index);
    if (argsz < VFIO_REGION_INFO.size) throw new DeviceError(EINVAL);
    if (argsz >= region.description.length) {
      reply.payload(region.description.length).set(region.description);
      if (region.fd !== null && client.maxDescriptors > 0) reply.pass(region.fd);
      return;
    }
    // Too little room: only the structure, whose argsz tells what a second try needs. Its capabilities are not here.
    const { flags, ...info } = VFIO_REGION_INFO.decode(region.description);
    const withoutCapabilities = { ...info, flags: flags & ~VFIO_REGION_INFO_FLAG_CAPS, cap_offset: 0 };
    VFIO_REGION_INFO.encodeInto(reply.payload(VFIO_REGION_INFO.size), 0, withoutCapabilities);
  }

  #describeIrqs({ payload }: Message, reply: ReplyMessage): void {
    const { argsz, index } = decodeExactly(VFIO_IRQ_INFO, payload);
    if (argsz < VFIO_IRQ_INFO.size || index >= VFIO_PCI_NUM_IRQS) throw new DeviceError(EINVAL);
    VFIO_IRQ_INFO.encodeInto(reply.payload(VFIO_IRQ_INFO.size), 0, { argsz: VFIO_IRQ_INFO.size, index });
  }

  #readRegion({ payload }: Message, reply: ReplyMessage): MaybePromise<void> {
    const { region, offset, count } = this.#access(payload);
    if (payload.length !== ACCESS.size) throw new DeviceError(EINVAL);
    const answer = reply.payload(ACCESS.size + count);
    copyAccess(payload, answer);
    if (answer !== this.#answer) {
      this.#answer = answer;
      this.#answerData = answer.subarray(ACCESS.size);
    }
    return region.read(offset, this.#answerData);
  }

  #writeRegion({ payload }: Message, reply: ReplyMessage): MaybePromise<void> {
    const { region, offset, count } = this.#access(payload);
    if (payload.length !== ACCESS.size + count) throw new DeviceError(EINVAL);
    copyAccess(payload, reply.payload(ACCESS.size));
    return region.write(offset, payload.subarray(ACCESS.size));
  }

  /** The access that stands in front of a read's or write's payload, checked against the region. */
  #access(payload: Uint8Array): { region: ServedRegion; offset: number; count: number } {
    if (payload.length < ACCESS.size) throw new DeviceError(EINVAL);
    const low = getUint32(payload, ACCESS.offsets.offset);
    // Above 2^53 the sum loses digits, but it stays far outside every region.
    const offset = getUint32(payload, ACCESS.offsets.offset + 4) * 2 ** 32 + low;
    const count = getUint32(payload, ACCESS.offsets.count);
    const region = this.#region(getUint32(payload, ACCESS.offsets.region));
    if (count > OWN_CAPABILITIES.max_data_xfer_size || offset + count > region.size)
      throw new DeviceError(EINVAL);
    return { region, offset, count };
  }

  #region(index: number): ServedRegion {
    const region = this.#device.regions[index];
    if (region === undefined) throw new DeviceError(EINVAL);
    return region;
  }
}

/** A reply repeats its request's access. Byte by byte: for so few, `set` costs more. */
function copyAccess(request: Uint8Array, answer: Uint8Array): void {
  for (let at = 0; at < ACCESS.size; at += 1) answer[at] = request[at] ?? 0;
}

/** Decodes a payload that is this structure; one with more or less in it is refused. */
function decodeExactly<Value>(
  layout: { readonly size: number; decode(bytes: Uint8Array): Value },
  payload: Uint8Array,
): Value {
  if (payload.length !== layout.size) throw new DeviceError(EINVAL);
  return layout.decode(payload);
}
