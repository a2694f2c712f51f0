/**
 * For tests: a device of a kind that strangers write with libvfio-user, in a process of its own: `node
 * blocking-device.fixture.ts SOCKET [no-twin]`. Registers behind a callback, a region of which a file on disk is passed along,
 * a large one behind a callback, interrupts, and DMA by messages in the middle of a register write. It keeps to that
 * library's checks and answers (lib/libvfio-user.c, lib/irq.c).
 */

import { mkdtempSync, rmSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { encodeRegionInfo } from "../../device/transport/region-info.ts";
import {
  VFIO_DEVICE_FLAGS_PCI,
  VFIO_DEVICE_FLAGS_RESET,
  VFIO_DEVICE_INFO,
  VFIO_PCI_CONFIG_REGION_INDEX,
  VFIO_REGION_INFO,
  VFIO_REGION_INFO_FLAG_CAPS,
} from "../../device/transport/vfio-abi.ts";
import type { Area } from "../../layout/areas.ts";
import { O_CLOEXEC, O_CREAT, O_RDWR } from "../../system/constants.ts";
import { linux } from "../../system/libc.ts";
import { BlockingInterrupts, IRQ_COUNTS } from "./blocking-interrupts.fixture.ts";
import { BlockingMemory } from "./blocking-memory.fixture.ts";
import { BlockingServer, type Answer } from "./blocking-server.fixture.ts";
import { DeviceError } from "../wire/device-error.ts";
import { invalid } from "../wire/payload.ts";
import {
  VFIO_USER_DEVICE_GET_INFO,
  VFIO_USER_DEVICE_GET_IRQ_INFO,
  VFIO_USER_DEVICE_GET_REGION_INFO,
  VFIO_USER_DEVICE_RESET,
  VFIO_USER_DEVICE_SET_IRQS,
  VFIO_USER_DMA_MAP,
  VFIO_USER_DMA_UNMAP,
  VFIO_USER_REGION_ACCESS,
  VFIO_USER_REGION_READ,
  VFIO_USER_REGION_WRITE,
} from "../wire/protocol.ts";

/** Writes of 8 bytes: an order, or the vector to raise. Reads tell how often it was reset. */
export const REGISTERS = 0;
export const ORDER = 0;
export const RAISE = 8;
/** An order moves this many bytes from the address given to right behind them, each inverted, and raises `DONE`. */
export const ORDER_SIZE = 0x1800;
export const DONE = 2;
export const MAPPABLE = 1;
export const MAPPABLE_SIZE = 0x4000;
export const MAPPABLE_AREAS: readonly Area[] = [
  { offset: 0, size: 0x1000 },
  { offset: 0x2000, size: 0x1000 },
];
export const LARGE = 2;
export const LARGE_SIZE = 4 << 20;

const ACCESS = VFIO_USER_REGION_ACCESS;

interface Region {
  readonly size: number;
  readonly fd: number | null;
  readonly areas: readonly Area[] | null;
  readonly read: (offset: number, target: Uint8Array) => void;
  readonly write: (offset: number, source: Uint8Array) => void;
}

class Device {
  readonly #server: BlockingServer;
  readonly #regions: readonly (Region | null)[];
  readonly #interrupts = new BlockingInterrupts();
  readonly #memory = new BlockingMemory();
  #resets = 0;

  constructor(server: BlockingServer) {
    this.#server = server;
    const config = new Uint8Array(256);
    config.set([0xad, 0xde, 0xef, 0xbe]);
    const regions: (Region | null)[] = Array.from({ length: 9 }, () => null);
    regions[REGISTERS] = {
      size: 16,
      fd: null,
      areas: null,
      read: (_, target) => this.#readRegister(target),
      write: (offset, source) => this.#writeRegister(offset, source),
    };
    const file = fileOnDisk(MAPPABLE_SIZE);
    regions[MAPPABLE] = {
      size: MAPPABLE_SIZE,
      fd: file,
      areas: MAPPABLE_AREAS,
      read: (offset, target) => void linux.pread(file, target, offset),
      write: (offset, source) => void linux.pwrite(file, source, offset),
    };
    regions[LARGE] = memoryRegion(new Uint8Array(LARGE_SIZE));
    regions[VFIO_PCI_CONFIG_REGION_INDEX] = memoryRegion(config);
    this.#regions = regions;
  }

  handle(command: number, payload: Uint8Array, descriptors: number[]): Answer {
    switch (command) {
      case VFIO_USER_DEVICE_GET_INFO:
        return { payload: this.#describe(payload) };
      case VFIO_USER_DEVICE_GET_REGION_INFO:
        return this.#describeRegion(payload);
      case VFIO_USER_DEVICE_GET_IRQ_INFO:
        return this.#interrupts.describe(payload);
      case VFIO_USER_DEVICE_SET_IRQS:
        return this.#interrupts.set(payload, descriptors);
      case VFIO_USER_REGION_READ:
      case VFIO_USER_REGION_WRITE:
        return { payload: this.#access(command, payload) };
      case VFIO_USER_DMA_MAP:
        return this.#memory.map(payload, descriptors);
      case VFIO_USER_DMA_UNMAP:
        return this.#memory.unmap(payload);
      case VFIO_USER_DEVICE_RESET:
        this.#resets += 1;
        return {};
      default:
        throw invalid();
    }
  }

  /** The client is gone. */
  forget(): void {
    this.#interrupts.forget();
    this.#memory.forget();
  }

  #describe(payload: Uint8Array): Uint8Array {
    if (payload.length < VFIO_DEVICE_INFO.size || VFIO_DEVICE_INFO.decode(payload).argsz < 16)
      throw invalid();
    const flags = VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET;
    return VFIO_DEVICE_INFO.encode({ argsz: 16, flags, num_regions: 9, num_irqs: IRQ_COUNTS.length });
  }

  #describeRegion(payload: Uint8Array): Answer {
    if (payload.length < VFIO_REGION_INFO.size) throw invalid();
    const { argsz, index } = VFIO_REGION_INFO.decode(payload);
    const region = this.#regions[index];
    if (argsz < VFIO_REGION_INFO.size || region === undefined) throw invalid();
    const { size = 0, fd = null, areas = null } = region ?? {};
    const whole = encodeRegionInfo({
      index,
      size,
      flags: (size === 0 ? 0 : 3) | (fd === null ? 0 : 4),
      fdOffset: 0,
      sparseAreas: areas,
      msixMappable: false,
      type: null,
    });
    if (argsz >= whole.length) return { payload: whole, descriptors: fd === null ? [] : [fd] };
    // As much as there is room for, and nothing of the capabilities in it.
    const { flags, ...info } = VFIO_REGION_INFO.decode(whole);
    const head = { ...info, flags: flags & ~VFIO_REGION_INFO_FLAG_CAPS, cap_offset: 0 };
    return { payload: VFIO_REGION_INFO.encode(head, argsz - VFIO_REGION_INFO.size) };
  }

  #access(command: number, payload: Uint8Array): Uint8Array {
    if (payload.length < ACCESS.size) throw invalid();
    const { offset, region: index, count } = ACCESS.decode(payload);
    const region = this.#regions[index];
    if (region === undefined || region === null || offset + BigInt(count) > BigInt(region.size))
      throw invalid();
    const isWrite = command === VFIO_USER_REGION_WRITE;
    if (isWrite && payload.length - ACCESS.size !== count) throw invalid();
    const reply = ACCESS.encode({ offset, region: index, count }, isWrite ? 0 : count);
    if (isWrite) region.write(Number(offset), payload.subarray(ACCESS.size));
    else region.read(Number(offset), reply.subarray(ACCESS.size));
    return reply;
  }

  #readRegister(target: Uint8Array): void {
    if (target.length !== 8) throw invalid();
    target.set(new Uint8Array(new BigUint64Array([BigInt(this.#resets)]).buffer));
  }

  #writeRegister(offset: number, source: Uint8Array): void {
    if (source.length !== 8) throw invalid();
    const value = new DataView(source.buffer, source.byteOffset).getBigUint64(0, true);
    if (offset === RAISE) this.#interrupts.raise(Number(value));
    else this.#carryOut(value);
  }

  #carryOut(iova: bigint): void {
    const bytes = new Uint8Array(ORDER_SIZE);
    this.#server.dmaRead(iova, bytes);
    // The file that was passed along must have what the message brought.
    if (!this.#memory.holds(iova, bytes)) throw new DeviceError(constants.errno.EIO);
    this.#server.dmaWrite(
      iova + BigInt(ORDER_SIZE),
      bytes.map((byte) => byte ^ 0xff),
    );
    this.#interrupts.raise(DONE);
  }
}

function memoryRegion(bytes: Uint8Array): Region {
  return {
    size: bytes.length,
    fd: null,
    areas: null,
    read: (offset, target) => target.set(bytes.subarray(offset, offset + target.length)),
    write: (offset, source) => bytes.set(source, offset),
  };
}

/** A file that nothing can seal. */
function fileOnDisk(size: number): number {
  const folder = mkdtempSync(join(tmpdir(), "hugebar-"));
  try {
    const fd = linux.open(join(folder, "region"), O_RDWR | O_CREAT | O_CLOEXEC, 0o600);
    linux.ftruncate(fd, size);
    return fd;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

if (process.argv[1] === import.meta.filename) {
  const [, , socket = "", ...flags] = process.argv;
  const server = new BlockingServer(socket, { offersTwin: !flags.includes("no-twin") });
  const device = new Device(server);
  process.stdout.write("listening\n");
  for (;;) {
    server.serveClient((...request) => device.handle(...request));
    device.forget();
  }
}
