/**
 * The client's memory as the device sees it: pieces of the DMA address space that the client has mapped, and how to
 * reach each of them.
 */

import { fstatSync, readlinkSync } from "node:fs";
import { constants } from "node:os";
import { hugebarError, type HugebarError } from "../../../errors.ts";
import { canBeSealed, sealAgainstShrinking } from "../../../memory/memfd.ts";
import { linux } from "../../../system/libc.ts";
import { SystemCallError } from "../../../system/system.ts";
import { DeviceError } from "../../wire/device-error.ts";
import { RangeTable, type Entry, type Range } from "../../wire/range-table.ts";
import { OWN_CAPABILITIES } from "../../wire/version.ts";
import { ClientFiles, type ClientFile } from "./client-files.ts";
import { DmaLog } from "./dma-log.ts";
import { LentMapping } from "./lent-mapping.ts";

const { EEXIST, EINVAL, ENOSPC } = constants.errno;
const PAGE = OWN_CAPABILITIES.pgsizes;
const ADDRESS_SPACE = 1n << 64n;
/** How long the client's DMA_UNMAP waits for leases. Clients give up after 5 s, and a guest stands still meanwhile. */
export const LEASE_MILLISECONDS = 1000;

/**
 * How a piece is reached. `mapped`: in this process's own memory, because its file is sealed against shrinking. `file`:
 * by pread and pwrite, because a file that shrinks would kill us (SIGBUS) at an access to a mapping of it. `messages`:
 * by asking the client.
 */
export type Reach =
  | { readonly by: "mapped"; readonly mapping: LentMapping }
  | { readonly by: "file"; readonly file: ClientFile; readonly offset: number }
  | { readonly by: "messages" };

export interface ClientRange extends Range {
  readonly readable: boolean;
  readonly writable: boolean;
  readonly reach: Reach;
}

/** A range of addresses that the client has mapped for DMA, as a device's author is told of it. */
export interface ClientDmaRange {
  readonly iova: bigint;
  /** Bytes. */
  readonly size: number;
  readonly readable: boolean;
  readonly writable: boolean;
  /**
   * How the device reaches it: `mapped` into this process, where `view` works; by reads and writes of the `file` that the
   * client passed, which could shrink; or by `messages`, which the client answers.
   */
  readonly reach: "mapped" | "file" | "messages";
}

export interface MapRequest {
  readonly iova: bigint;
  readonly size: bigint;
  readonly offset: bigint;
  readonly readable: boolean;
  readonly writable: boolean;
}

/** What a lease is to the memory that it is of. */
export interface Borrowed {
  readonly entry: Entry<ClientRange>;
  /** The lease is over, for its time is up. */
  revoke(): void;
}

export class ClientMemory {
  /** Where the device has written to. */
  readonly log = new DmaLog();
  /** What is lent, and by whom it can be taken back. */
  readonly leases = new Set<Borrowed>();
  readonly #report: (error: HugebarError) => void;
  readonly #byMessages: boolean;
  readonly #files = new ClientFiles();
  readonly #ranges = new RangeTable<ClientRange>(({ reach }) => {
    if (reach.by === "mapped") reach.mapping.close();
    else if (reach.by === "file") reach.file.close();
  });

  /**
   * @param report told of leases that were taken back by force
   * @param byMessages whether files that the client passes are left alone
   */
  constructor(report: (error: HugebarError) => void, byMessages = false) {
    this.#report = report;
    this.#byMessages = byMessages;
  }

  /** Maps a piece, and says what it has become. `fd`, the file behind it, becomes ours when this returns. */
  map(request: MapRequest, fd: number | null): ClientDmaRange {
    const { iova, size, readable, writable } = request;
    if (size === 0n || iova + size > ADDRESS_SPACE || size > BigInt(Number.MAX_SAFE_INTEGER))
      throw new DeviceError(EINVAL);
    if (iova % BigInt(PAGE) !== 0n || size % BigInt(PAGE) !== 0n) throw new DeviceError(EINVAL);
    if (this.#ranges.count >= OWN_CAPABILITIES.max_dma_maps) throw new DeviceError(ENOSPC);
    const range = { iova, size: Number(size) };
    if (this.#ranges.overlaps(range)) throw new DeviceError(EEXIST);
    const reach = fd === null ? messagesOnly(request) : this.#reachFile(request, fd);
    const piece = { ...range, readable, writable, reach };
    this.#ranges.add(piece);
    return described(piece);
  }

  /** What `unmap` would take away, or `clear` where no range is given. @throws DeviceError as `unmap` does */
  mapped(iova: bigint = 0n, size: bigint = ADDRESS_SPACE): ClientDmaRange[] {
    if (size === 0n || iova + size > ADDRESS_SPACE) throw new DeviceError(EINVAL);
    return this.#ranges.within(iova, size).map(described);
  }

  /**
   * Takes away all pieces from `iova` on that lie in `size` bytes; none is right too, and one that reaches over an end is
   * not (vfio_dma_do_unmap in drivers/vfio/vfio_iommu_type1.c). With an IOMMU in its guest, QEMU unmaps whole address
   * spaces without a look at what is mapped there.
   *
   * @returns null, or what resolves when nobody uses them any more
   */
  unmap(iova: bigint, size: bigint): Promise<void> | null {
    if (size === 0n || iova + size > ADDRESS_SPACE) throw new DeviceError(EINVAL);
    return this.#withPatience(this.#ranges.remove(iova, size));
  }

  /** Takes all away, as `unmap` does. */
  clear(): Promise<void> | null {
    return this.#withPatience(this.#ranges.clear());
  }

  /** The client is gone, and who held leases has been told: all is taken back. */
  close(): Promise<void> | null {
    const used = this.#ranges.clear();
    this.#revokeTaken();
    return used;
  }

  /** The pieces that hold `size` bytes from `iova` on; null where one is missing. */
  covering(iova: bigint, size: number): Entry<ClientRange>[] | null {
    return this.#ranges.covering(iova, size);
  }

  /** Gives leases their time. */
  #withPatience(used: Promise<void> | null): Promise<void> | null {
    if (used === null) return null;
    const timer = setTimeout(() => this.#revokeTaken(), LEASE_MILLISECONDS);
    return used.finally(() => clearTimeout(timer));
  }

  #revokeTaken(): void {
    const overdue = [...this.leases].filter(({ entry }) => entry.taken);
    for (const { reach } of new Set(overdue.map(({ entry }) => entry.piece)))
      if (reach.by === "mapped") reach.mapping.revoke();
    for (const lease of overdue) lease.revoke();
    if (overdue.length > 0) this.#report(takenBack(overdue.length));
  }

  #reachFile({ size, offset, writable }: MapRequest, fd: number): Reach {
    try {
      // Of any other file not even the size is looked at: its file system could keep this thread waiting, as FUSE's can.
      if (this.#byMessages || !canBeSealed(fd, linux)) {
        if (!isNamedFile(fd)) throw new DeviceError(EINVAL);
        linux.close(fd);
        return { by: "messages" };
      }
      const sealed = sealAgainstShrinking(fd, linux);
      const file = fstatSync(fd, { bigint: true });
      if (offset + size > file.size || offset % BigInt(linux.pageSize) !== 0n) throw new DeviceError(EINVAL);
      if (!sealed) return { by: "file", file: this.#files.take(fd), offset: Number(offset) };
      const mapping = new LentMapping(fd, Number(offset), Number(size), writable);
      linux.close(fd);
      return { by: "mapped", mapping };
    } catch (error) {
      // What the kernel makes of the client's file is the client's affair.
      throw error instanceof SystemCallError ? new DeviceError(error.errno) : error;
    }
  }
}

function described({ reach, ...range }: ClientRange): ClientDmaRange {
  return { ...range, reach: reach.by };
}

/** Sockets, pipes, eventfds and the like have names without a slash. */
function isNamedFile(fd: number): boolean {
  return readlinkSync(`/proc/self/fd/${fd}`).startsWith("/");
}

function messagesOnly({ offset }: MapRequest): Reach {
  if (offset !== 0n) throw new DeviceError(EINVAL);
  return { by: "messages" };
}

function takenBack(count: number): HugebarError {
  const action = `wait for ${count} ${count === 1 ? "lease" : "leases"} of the client's memory`;
  const problem = "the client has taken that memory away; release() leases when it does, or sooner";
  return hugebarError("ERR_TIMEOUT", { action, problem });
}
