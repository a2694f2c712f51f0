/**
 * A device behind a vfio-user socket, as a transport. What the server says is checked before use; a descriptor that it
 * passes along is ours from then on, and is closed with the transport.
 */

import { hugebarError } from "../../errors.ts";
import type {
  DeviceInfo,
  FileCheck,
  IoEventFdInfo,
  IrqInfo,
  IrqRequest,
  RegionInfo,
  Transport,
} from "../../device/transport/transport.ts";
import { VFIO_DEVICE_INFO } from "../../device/transport/vfio-abi.ts";
import { closeEach } from "../../system/closing.ts";
import type { System } from "../../system/system.ts";
import {
  VFIO_USER_DEVICE_GET_INFO,
  VFIO_USER_DEVICE_RESET,
  VFIO_USER_HEADER,
  VFIO_USER_REGION_ACCESS,
  VFIO_USER_REGION_READ,
  VFIO_USER_REGION_WRITE,
} from "../wire/protocol.ts";
import { DmaClient } from "./dma-client.ts";
import type { DmaRanges } from "./dma-ranges.ts";
import { queryIoeventfds } from "./ioeventfd-query.ts";
import { queryIrqs, setIrqs } from "./irq-client.ts";
import { prepareFile } from "./mapped-file.ts";
import { MigrationClient } from "./migration-client.ts";
import { queryRegion } from "./region-query.ts";
import { brokenProtocol } from "../wire/client-faults.ts";
import { requestMessage } from "../wire/message-header.ts";
import { payloadOf, type Reply, type Request, type RequestChannel } from "./request-channel.ts";
import type { PeerLimits } from "../wire/version.ts";

/** PCI devices have 9 regions and a few of their own; a server that claims more than this is not believed. */
const MOST_REGIONS = 1024;
/**
 * The specification sets no limit to a reset. This is what the kernel gives a device that comes out of one
 * (PCIE_RESET_READY_POLL_MS in drivers/pci/pci.h).
 */
const RESET_MILLISECONDS = 60_000;
const ACCESS_AT = VFIO_USER_REGION_ACCESS.offsets;
const ACCESS_SIZE = VFIO_USER_REGION_ACCESS.size;

export class VfioUserTransport implements Transport {
  readonly name: string;
  readonly #channel: RequestChannel;
  readonly #system: System;
  readonly #limits: PeerLimits;
  readonly dma: DmaClient;
  readonly abandon: () => void;
  readonly controls = null;
  readonly migration: MigrationClient;
  readonly #regions = new Map<number, RegionInfo>();
  readonly #ioeventfds = new Map<number, readonly IoEventFdInfo[]>();
  /** The one request of a region access, used again and again: accesses are many, and one at a time. */
  readonly #access = requestMessage(new Uint8Array(ACCESS_SIZE));
  readonly #accessView = new DataView(this.#access.buffer, VFIO_USER_HEADER.size);
  readonly #reading: Request = {
    action: () => this.#accessText("read"),
    command: VFIO_USER_REGION_READ,
    head: this.#access,
  };
  readonly #writing: Request = {
    action: () => this.#accessText("write"),
    command: VFIO_USER_REGION_WRITE,
    head: this.#access,
  };
  #info: DeviceInfo | null = null;

  /**
   * Takes over the channel, on which a version is agreed.
   *
   * @param limits what the server takes
   * @param dma the memory that the channel's commands reach
   */
  constructor(name: string, channel: RequestChannel, limits: PeerLimits, dma: DmaRanges, system: System) {
    this.name = name;
    this.#channel = channel;
    this.#limits = limits;
    this.dma = new DmaClient(name, channel, limits, dma);
    this.migration = new MigrationClient(name, channel, limits);
    this.abandon = closerOf(name, channel, this.#regions, this.#ioeventfds, this.dma, system);
    this.#system = system;
  }

  info(): DeviceInfo {
    this.#info ??= this.#queryInfo();
    return this.#info;
  }

  #queryInfo(): DeviceInfo {
    const action = () => `read the description of ${this.name}`;
    const head = requestMessage(VFIO_DEVICE_INFO.encode({ argsz: VFIO_DEVICE_INFO.size }));
    const payload = payloadOf(this.#channel.exchange({ action, command: VFIO_USER_DEVICE_GET_INFO, head }));
    if (payload.length < VFIO_DEVICE_INFO.size) throw brokenProtocol(action, "its description is cut short");
    const { flags, num_regions, num_irqs } = VFIO_DEVICE_INFO.decode(payload);
    if (num_regions > MOST_REGIONS) throw brokenProtocol(action, `it claims ${num_regions} regions`);
    return { flags, regionCount: num_regions, irqCount: num_irqs };
  }

  regionInfo(index: number): RegionInfo {
    const known = this.#regions.get(index);
    if (known !== undefined) return known;
    const { regionCount } = this.info();
    if (!Number.isInteger(index) || index < 0 || index >= regionCount) {
      const problem = `the device has ${regionCount} regions, counted from 0`;
      throw hugebarError("ERR_REGION_INDEX", { index, device: this.name, problem });
    }
    const info = queryRegion(this.#channel, this.name, index, this.#system);
    this.#regions.set(index, info);
    return info;
  }

  ioeventfds(index: number): readonly IoEventFdInfo[] {
    const known = this.#ioeventfds.get(index);
    if (known !== undefined) return known;
    const region = this.regionInfo(index);
    const found = region.size === 0 ? [] : queryIoeventfds(this.#channel, this.name, region, this.#system);
    this.#ioeventfds.set(index, found);
    return found;
  }

  read(index: number, offset: number, target: Uint8Array): void {
    for (let done = 0; done < target.length;) {
      const length = Math.min(target.length - done, this.#limits.maxTransfer);
      const reply = this.#readOnce(index, offset + done, length);
      copyData(reply, target, done);
      done += length;
    }
  }

  #readOnce(index: number, offset: number, length: number): Reply {
    this.#prepareAccess(index, offset, length);
    const reply = this.#channel.exchange(this.#reading);
    this.#checkAccess(reply, ACCESS_SIZE + length, this.#reading);
    return reply;
  }

  write(index: number, offset: number, source: Uint8Array): void {
    for (let done = 0; done < source.length;) {
      const length = Math.min(source.length - done, this.#limits.maxWrite);
      const data = length === source.length ? source : source.subarray(done, done + length);
      this.#writeOnce(index, offset + done, data);
      done += length;
    }
  }

  #writeOnce(index: number, offset: number, data: Uint8Array): void {
    this.#prepareAccess(index, offset, data.length);
    const reply = this.#channel.exchange({ ...this.#writing, data });
    this.#checkAccess(reply, ACCESS_SIZE, this.#writing);
  }

  #prepareAccess(index: number, offset: number, count: number): void {
    // In two halves, for setBigUint64 would need a bigint for each access.
    this.#accessView.setUint32(ACCESS_AT.offset, offset, true);
    this.#accessView.setUint32(ACCESS_AT.offset + 4, Math.floor(offset / 2 ** 32), true);
    this.#accessView.setUint32(ACCESS_AT.region, index, true);
    this.#accessView.setUint32(ACCESS_AT.count, count, true);
  }

  /** What the present access tries, for messages. */
  #accessText(verb: "read" | "write"): string {
    const { offset, region, count } = VFIO_USER_REGION_ACCESS.decode(this.#access, VFIO_USER_HEADER.size);
    return `${verb} ${count} bytes at 0x${offset.toString(16)} of region ${region} of ${this.name}`;
  }

  /** A reply repeats the offset, the region and the count of its request. */
  #checkAccess({ bytes, start, length }: Reply, expected: number, { action }: Request): void {
    if (length !== expected) throw brokenProtocol(action, `its reply has ${length} bytes`);
    for (let at = 0; at < ACCESS_SIZE; at += 1) {
      if (bytes[start + at] !== this.#access[VFIO_USER_HEADER.size + at]) {
        throw brokenProtocol(action, "its reply speaks of another access");
      }
    }
  }

  reset(): void {
    const action = () => `reset ${this.name}`;
    const head = requestMessage(new Uint8Array(0));
    this.#channel.exchange({
      action,
      command: VFIO_USER_DEVICE_RESET,
      head,
      milliseconds: RESET_MILLISECONDS,
    });
  }

  prepareToMap(index: number): FileCheck | null {
    return prepareFile(this.regionInfo(index), this.name, this.#system);
  }

  irqInfo(index: number): IrqInfo {
    const { irqCount } = this.info();
    if (!Number.isInteger(index) || index < 0 || index >= irqCount) {
      const problem = irqCount === 0 ? "it has none" : `it has interrupts 0 to ${irqCount - 1}`;
      throw hugebarError("ERR_ARGUMENT", { what: `interrupt ${index} of ${this.name}`, problem });
    }
    return queryIrqs(this.#channel, this.name, index);
  }

  setIrqs(request: IrqRequest): void {
    setIrqs(this.#channel, this.name, request, this.#limits.maxDescriptors);
  }

  exportDmaBuf(): number {
    const problem = "a vfio-user server passes its regions' files along instead";
    throw hugebarError("ERR_NOT_SUPPORTED", { action: `export a dma-buf of ${this.name}`, problem });
  }

  close(): void {
    this.abandon();
  }
}

/** Closes everything, going on past failures. A function of its own: it must not refer to the transport. */
function closerOf(
  name: string,
  channel: RequestChannel,
  regions: Map<number, RegionInfo>,
  ioeventfds: Map<number, readonly IoEventFdInfo[]>,
  dma: DmaClient,
  system: System,
): () => void {
  return () => {
    const ofRegions = [...regions.values()].flatMap(({ fd }) => fd ?? []);
    const ofPlaces = [...ioeventfds.values()].flat().map(({ fd }) => fd);
    // Linux has closed a descriptor whatever close(2) returns: none is tried twice.
    regions.clear();
    ioeventfds.clear();
    closeEach(name, [
      ...[...new Set([...ofRegions, ...ofPlaces])].map((fd) => () => system.close(fd)),
      () => channel.close(),
      () => dma.close(),
    ]);
  };
}

/** Copies what follows the access in a reply. A register's bytes one by one: for so few, `subarray` and `set` cost more. */
function copyData({ bytes, start, length }: Reply, target: Uint8Array, at: number): void {
  const from = start + ACCESS_SIZE;
  const count = length - ACCESS_SIZE;
  if (count > 8) target.set(bytes.subarray(from, from + count), at);
  else for (let index = 0; index < count; index += 1) target[at + index] = bytes[from + index] ?? 0;
}
