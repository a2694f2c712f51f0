/** A region as the server sees it: its description for clients, and where its reads and writes go. */

import { constants } from "node:os";
import { hugebarError } from "../../../errors.ts";
import { encodeRegionInfo } from "../../../device/transport/region-info.ts";
import {
  VFIO_REGION_INFO_FLAG_MMAP,
  VFIO_REGION_INFO_FLAG_READ,
  VFIO_REGION_INFO_FLAG_WRITE,
} from "../../../device/transport/vfio-abi.ts";
import { arrangeAreas, type Area } from "../../../layout/areas.ts";
import { nextPowerOfTwo } from "../../../layout/sizes.ts";
import { O_CLOEXEC, O_RDONLY } from "../../../system/constants.ts";
import { linux } from "../../../system/libc.ts";
import type { DeviceRegion, IoEventFd, ReadHandler, WriteHandler } from "./region-description.ts";
import type { MaybePromise } from "../link/session.ts";
import { SharedMemory } from "../../../memory/shared-memory.ts";
import { DeviceError } from "../../wire/device-error.ts";
import { pieceAt } from "./piece-at.ts";
import { checkIoeventfds, kickOr } from "./ioeventfds.ts";

/** Below are the bits of the address register that say what kind of BAR it is. */
export const LEAST_BAR = 16;
/** As `LEAST_BAR`, in I/O space. */
export const LEAST_IO_BAR = 4;

/**
 * The name of memory that is made for a region: `inspect/proc/device-file.ts` tells by it a device's memory from any other,
 * and which of a process's devices it is of.
 */
function memoryName(index: number, socket: string | null): string {
  return `hugebar-device-${index}${socket === null ? "" : `:${socket}`}`;
}

export interface ServedRegion {
  readonly size: number;
  /** What clients may map. */
  readonly areas: readonly Area[];
  /** The whole answer to VFIO_USER_DEVICE_GET_REGION_INFO. */
  readonly description: Uint8Array;
  /** The file to pass along with it. */
  readonly fd: number | null;
  readonly read: ReadHandler;
  readonly write: WriteHandler;
  readonly ioeventfds: readonly IoEventFd[];
  /** Gives back what the server itself made for the region. */
  release(): void;
}

/** A region that the device does not have: its size is 0, and no access fits into it. */
export function absentRegion(index: number): ServedRegion {
  return serveRegion({ index, size: 0 });
}

/**
 * @param socket where the device is to be served
 * @throws ERR_ARGUMENT, ERR_REGION_LAYOUT when the region cannot be as its author describes it; ERR_SYSTEM when the
 *   kernel refuses the memory.
 */
export function serveRegion(region: DeviceRegion, socket: string | null = null): ServedRegion {
  const { index, memory, registers, readOnly = false, ioeventfds = [] } = region;
  const size = region.size ?? ownSize(region);
  checkSize(region, size);
  const areas = memory === undefined ? [] : (region.areas ?? wholePages(size));
  const arranged = arrangeAreas(size, areas, linux.pageSize, `${index} of the device to serve`);
  checkIoeventfds(region, size, arranged);

  const own = memory === "sparse" && size > 0 ? new SharedMemory(size, memoryName(index, socket)) : null;
  const used = memory instanceof SharedMemory ? memory : own;
  const read = choose(used, readInto, zeroed(registers?.read ?? region.read), arranged);
  const write = readOnly
    ? undefined
    : kickOr(ioeventfds, choose(used, writeFrom, registers?.write ?? region.write, arranged));
  const mappable = used !== null && arranged.length > 0;
  const flags =
    (read === undefined ? 0 : VFIO_REGION_INFO_FLAG_READ) |
    (write === undefined ? 0 : VFIO_REGION_INFO_FLAG_WRITE) |
    (mappable ? VFIO_REGION_INFO_FLAG_MMAP : 0);
  const sparseAreas = mappable ? areas : null;
  const readable = mappable ? share(used, readOnly, index, own) : null;
  return {
    size,
    areas: mappable ? arranged : [],
    description: encodeRegionInfo({
      index,
      size,
      flags,
      fdOffset: 0,
      sparseAreas,
      msixMappable: false,
      type: null,
    }),
    fd: mappable ? (readable ?? used.fd) : null,
    read: read ?? refuse,
    write: write ?? refuse,
    ioeventfds,
    release() {
      if (readable !== null) linux.close(readable);
      own?.close();
    },
  };
}

/**
 * The region with a part of it answered by somebody else, who counts offsets from the part's start. Where clients may
 * map any of that part, it stays as it is.
 *
 * @throws ERR_ARGUMENT when the region has no such part.
 */
export function overlay(
  region: ServedRegion,
  part: Area,
  handlers: { readonly read: ReadHandler; readonly write: WriteHandler },
): ServedRegion {
  const end = part.offset + part.size;
  if (end > region.size) {
    const problem = `its region has ${region.size} bytes`;
    throw hugebarError("ERR_ARGUMENT", { what: `a structure that ends at ${end}`, problem });
  }
  if (region.areas.some(({ offset, size }) => offset < end && part.offset < offset + size)) return region;
  const inPart =
    (handler: ReadHandler): ReadHandler =>
    (offset, bytes, client) =>
      handler(offset - part.offset, bytes, client);
  return {
    ...region,
    read: byArea([part], inPart(handlers.read), region.read),
    write: byArea([part], inPart(handlers.write), region.write),
  };
}

/** A region whose author does not say how large it is. */
function ownSize({ memory, registers, bar }: DeviceRegion): number {
  if (memory instanceof SharedMemory) return memory.size;
  const least = bar?.type === "io" ? LEAST_IO_BAR : LEAST_BAR;
  return registers === undefined ? 0 : Math.max(least, nextPowerOfTwo(registers.size));
}

function checkSize({ index, memory, areas = [], registers, read, write }: DeviceRegion, size: number): void {
  const what = `region ${index}`;
  if (registers !== undefined && (read !== undefined || write !== undefined)) {
    const problem = "its registers answer for it; what they should do beside, say by onRead and onWrite";
    throw hugebarError("ERR_ARGUMENT", { what: `read or write of ${what}`, problem });
  }
  if (registers !== undefined && registers.size > size) {
    const problem = `its registers need ${registers.size} bytes, and it has ${size}`;
    throw hugebarError("ERR_ARGUMENT", { what, problem });
  }
  if (!Number.isSafeInteger(size) || size < 0) {
    throw hugebarError("ERR_ARGUMENT", { what, problem: `its size (${size}) is no whole number of bytes` });
  }
  if (memory instanceof SharedMemory && size > memory.size) {
    throw hugebarError("ERR_ARGUMENT", {
      what,
      problem: `its memory has ${memory.size} bytes, and it ${size}`,
    });
  }
  if (memory === undefined && areas.length > 0) {
    throw hugebarError("ERR_ARGUMENT", { what, problem: "it has areas to map and no memory" });
  }
}

/**
 * Seals memory that clients get to see. Read-only memory gets a descriptor of its own, which cannot be mapped for writing
 * whatever a client makes of the flags; the seal keeps it from opening another one.
 */
function share(
  memory: SharedMemory,
  readOnly: boolean,
  index: number,
  own: SharedMemory | null,
): number | null {
  try {
    if (!memory.share(readOnly)) {
      const problem = "its memory was given to somebody before who may write it";
      throw hugebarError("ERR_ARGUMENT", { what: `region ${index} read-only`, problem });
    }
    return readOnly ? linux.open(`/proc/self/fd/${memory.fd}`, O_RDONLY | O_CLOEXEC) : null;
  } catch (error) {
    own?.close();
    throw error;
  }
}

/** Bytes that the author's handler does not fill are zeros, and not what an earlier reply left there. */
function zeroed(read: ReadHandler | undefined): ReadHandler | undefined {
  if (read === undefined) return undefined;
  return (offset, target, client) => {
    // For a register's few bytes `fill` costs more.
    if (target.length <= 8) for (let at = 0; at < target.length; at += 1) target[at] = 0;
    else target.fill(0);
    return read(offset, target, client);
  };
}

/** All of a region that can be mapped: the rest of its last page cannot. */
function wholePages(size: number): Area[] {
  return [{ offset: 0, size: size - (size % linux.pageSize) }];
}

function readInto(memory: SharedMemory, offset: number, target: Uint8Array): void {
  memory.copyOut(offset, target);
}

function writeFrom(memory: SharedMemory, offset: number, source: Uint8Array): void {
  memory.copyIn(offset, source);
}

/** Where reads, or writes, go: to the memory, to the author's handler, or to each in its part of the region. */
function choose(
  memory: SharedMemory | null,
  access: (memory: SharedMemory, offset: number, bytes: Uint8Array) => void,
  handler: ReadHandler | undefined,
  areas: readonly Area[],
): ReadHandler | undefined {
  if (memory === null) return handler;
  const inMemory: ReadHandler = (offset, bytes) => access(memory, offset, bytes);
  return handler === undefined ? inMemory : byArea(areas, inMemory, handler);
}

/** Sends what falls into an area to `inArea` and what falls into a gap to `inGap`, piece by piece, in order. */
function byArea(areas: readonly Area[], inArea: ReadHandler, inGap: ReadHandler): ReadHandler {
  return (offset, bytes, client) => {
    const first = pieceAt(areas, offset, bytes.length);
    if (first.length === bytes.length) return (first.mapped ? inArea : inGap)(offset, bytes, client);
    return eachPiece(areas, offset, bytes, (mapped, at, piece) =>
      (mapped ? inArea : inGap)(at, piece, client),
    );
  };
}

async function eachPiece(
  areas: readonly Area[],
  offset: number,
  bytes: Uint8Array,
  access: (mapped: boolean, offset: number, bytes: Uint8Array) => MaybePromise<void>,
): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { mapped, length } = pieceAt(areas, offset + done, bytes.length - done);
    await access(mapped, offset + done, bytes.subarray(done, done + length));
    done += length;
  }
}

function refuse(): never {
  throw new DeviceError(constants.errno.EINVAL, "the region cannot be accessed this way");
}
