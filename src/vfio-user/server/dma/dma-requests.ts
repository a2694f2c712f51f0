/** The requests by which a client gives its memory to DMA, and those by which the server asks it to move bytes. */

import { hugebarError } from "../../../errors.ts";
import type { ClientMemory, ClientDmaRange } from "./client-memory.ts";
import type { Ask, MaybePromise } from "../link/session.ts";
import type { AskClient } from "./dma.ts";
import type { Message } from "../link/message-reader.ts";
import { decodeHead, invalid } from "../../wire/payload.ts";
import {
  VFIO_DMA_UNMAP_FLAG_ALL,
  VFIO_USER_DMA_MAP_REQUEST,
  VFIO_USER_DMA_READ,
  VFIO_USER_DMA_REGION_ACCESS,
  VFIO_USER_DMA_UNMAP_REQUEST,
  VFIO_USER_DMA_WRITE,
  VFIO_USER_F_DMA_REGION_FILE_IO,
  VFIO_USER_F_DMA_REGION_MMAP,
  VFIO_USER_F_DMA_REGION_READ,
  VFIO_USER_F_DMA_REGION_WRITE,
} from "../../wire/protocol.ts";
import type { ReplyMessage } from "../link/reply-message.ts";

const BY_FILE = VFIO_USER_F_DMA_REGION_MMAP | VFIO_USER_F_DMA_REGION_FILE_IO;
const KNOWN_FLAGS = VFIO_USER_F_DMA_REGION_READ | VFIO_USER_F_DMA_REGION_WRITE | BY_FILE;
const ACCESS = VFIO_USER_DMA_REGION_ACCESS;

/** VFIO_USER_DMA_MAP; tells what was mapped. */
export function mapMemory(memory: ClientMemory, { payload, descriptors }: Message): ClientDmaRange {
  const { argsz, flags, offset, addr, size } = decodeHead(VFIO_USER_DMA_MAP_REQUEST, payload);
  const [fd = null] = descriptors;
  if (argsz < VFIO_USER_DMA_MAP_REQUEST.size || (flags & ~KNOWN_FLAGS) !== 0 || descriptors.length > 1)
    throw invalid();
  if ((flags & BY_FILE) !== 0 && fd === null) throw invalid();
  const readable = (flags & VFIO_USER_F_DMA_REGION_READ) !== 0;
  const writable = (flags & VFIO_USER_F_DMA_REGION_WRITE) !== 0;
  const range = memory.map({ iova: addr, size, offset, readable, writable }, fd);
  descriptors.splice(0);
  return range;
}

/**
 * VFIO_USER_DMA_UNMAP; the reply repeats the request, and comes when nobody uses the memory any more.
 *
 * @param prepare called with what goes, if anything does, before `unmap` takes it away
 */
export function unmapMemory(
  memory: ClientMemory,
  { payload }: Message,
  reply: ReplyMessage,
  prepare: (ranges: readonly ClientDmaRange[], unmap: () => MaybePromise<void>) => MaybePromise<void>,
): MaybePromise<void> {
  const entry = payload.subarray(0, VFIO_USER_DMA_UNMAP_REQUEST.size);
  const { argsz, flags, addr, size } = decodeHead(VFIO_USER_DMA_UNMAP_REQUEST, entry);
  if (argsz < VFIO_USER_DMA_UNMAP_REQUEST.size || (flags & ~VFIO_DMA_UNMAP_FLAG_ALL) !== 0) throw invalid();
  const all = flags !== 0;
  if (all && (addr !== 0n || size !== 0n)) throw invalid();
  reply.payload(entry.length).set(entry);
  const unmap = (): MaybePromise<void> => (all ? memory.clear() : memory.unmap(addr, size)) ?? undefined;
  const ranges = all ? memory.mapped() : memory.mapped(addr, size);
  return ranges.length === 0 ? unmap() : prepare(ranges, unmap);
}

/** Moves bytes by VFIO_USER_DMA_READ and VFIO_USER_DMA_WRITE, in transfers that the client takes. */
export function askByMessages(ask: Ask, maxTransfer: number): AskClient {
  return async (direction, iova, bytes) => {
    for (let done = 0; done < bytes.length; done += maxTransfer) {
      const part = bytes.subarray(done, done + maxTransfer);
      const addr = iova + BigInt(done);
      const action = `${direction} ${part.length} bytes at 0x${addr.toString(16)} of the client's memory`;
      const access = { addr, count: BigInt(part.length) };
      if (direction === "write") {
        const request = (): Uint8Array => {
          const bytes = ACCESS.encode(access, part.length);
          bytes.set(part, ACCESS.size);
          return bytes;
        };
        // Its reply tells nothing: QEMU's is the header alone, others repeat the address.
        await ask(action, VFIO_USER_DMA_WRITE, request);
      } else {
        const request = ACCESS.encode(access);
        takeRead(await ask(action, VFIO_USER_DMA_READ, () => request), request, part, action);
      }
    }
  };
}

function takeRead(reply: Uint8Array, request: Uint8Array, target: Uint8Array, action: string): void {
  const sameAccess = Buffer.from(reply.subarray(0, ACCESS.size)).equals(request);
  if (!sameAccess || reply.length !== ACCESS.size + target.length) {
    throw hugebarError("ERR_PROTOCOL", { action, problem: "the client's reply speaks of another access" });
  }
  target.set(reply.subarray(ACCESS.size));
}
