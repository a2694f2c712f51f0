/** The requests that describe, read and write regions. */

import {
  VFIO_REGION_INFO,
  VFIO_REGION_INFO_FLAG_CAPS,
  VFIO_REGION_INFO_FLAG_MMAP,
} from "../../../device/transport/vfio-abi.ts";
import { getUint32 } from "../../../system/little-endian.ts";
import type { MaybePromise } from "../link/session.ts";
import { DeviceError } from "../../wire/device-error.ts";
import { decodeHead, invalid } from "../../wire/payload.ts";
import {
  VFIO_USER_REGION_ACCESS,
  VFIO_USER_WRITE_MULTI_ENTRY,
  VFIO_USER_WRITE_MULTI_HEAD,
} from "../../wire/protocol.ts";
import type { ReplyMessage } from "../link/reply-message.ts";
import type { DeviceClient } from "./device-client.ts";
import type { ServedRegion } from "./served-region.ts";
import { OWN_CAPABILITIES, type PeerLimits } from "../../wire/version.ts";

const ACCESS = VFIO_USER_REGION_ACCESS;
const ENTRY = VFIO_USER_WRITE_MULTI_ENTRY;

type Regions = readonly ServedRegion[];

/** VFIO_USER_DEVICE_GET_REGION_INFO */
export function describeRegion(
  regions: Regions,
  payload: Uint8Array,
  reply: ReplyMessage,
  client: PeerLimits,
): void {
  const { argsz, index } = decodeHead(VFIO_REGION_INFO, payload);
  const { description, fd } = regionAt(regions, index);
  if (argsz < VFIO_REGION_INFO.size) throw invalid();
  if (argsz >= description.length) {
    reply.payload(description.length).set(description);
    if (fd !== null && client.maxDescriptors > 0) reply.pass(fd);
    return;
  }
  // Too little room: only the structure, whose argsz tells what a second try needs. Its capabilities are not here, and
  // the descriptor comes with them: nothing can be mapped by this answer.
  const { flags, ...info } = VFIO_REGION_INFO.decode(description);
  const left = flags & ~(VFIO_REGION_INFO_FLAG_CAPS | VFIO_REGION_INFO_FLAG_MMAP);
  const withoutCapabilities = { ...info, flags: left, cap_offset: 0 };
  VFIO_REGION_INFO.encodeInto(reply.payload(VFIO_REGION_INFO.size), 0, withoutCapabilities);
}

/** VFIO_USER_REGION_READ */
export function readRegion(
  regions: Regions,
  payload: Uint8Array,
  reply: ReplyMessage,
  client: DeviceClient,
): MaybePromise<void> {
  const { region, offset, count } = decodeAccess(regions, payload);
  if (payload.length !== ACCESS.size) throw invalid();
  const answer = reply.payload(ACCESS.size + count);
  copyAccess(payload, answer);
  return region.read(offset, reply.dataBehind(ACCESS.size), client);
}

/** VFIO_USER_REGION_WRITE */
export function writeRegion(
  regions: Regions,
  payload: Uint8Array,
  reply: ReplyMessage,
  client: DeviceClient,
): MaybePromise<void> {
  const { region, offset, count } = decodeAccess(regions, payload);
  if (payload.length !== ACCESS.size + count) throw invalid();
  copyAccess(payload, reply.payload(ACCESS.size));
  return region.write(offset, payload.subarray(ACCESS.size), client);
}

/**
 * VFIO_USER_REGION_WRITE_MULTI: each of the writes is tried, in order; the answer is how many were done. What is no write at
 * all is refused as a whole.
 */
export async function writeRegionMulti(
  regions: Regions,
  payload: Uint8Array,
  reply: ReplyMessage,
  client: DeviceClient,
): Promise<void> {
  const head = VFIO_USER_WRITE_MULTI_HEAD;
  const { wr_cnt } = decodeHead(head, payload);
  if (BigInt(payload.length - head.size) !== wr_cnt * BigInt(ENTRY.size)) throw invalid();
  const writes = Array.from({ length: Number(wr_cnt) }, (_, number) => {
    const at = head.size + number * ENTRY.size;
    if (getUint32(payload, at + ENTRY.offsets.count) > 8) throw invalid();
    return at;
  });
  let done = 0n;
  for (const at of writes) {
    try {
      const { region, offset, count } = decodeAccess(regions, payload.subarray(at, at + ACCESS.size));
      const data = at + ENTRY.offsets.data;
      await region.write(offset, payload.subarray(data, data + count), client);
      done += 1n;
    } catch (error) {
      // What the author's handler throws by mistake is for the author.
      if (!(error instanceof DeviceError)) client.run(() => Promise.reject(error));
    }
  }
  head.encodeInto(reply.payload(head.size), 0, { wr_cnt: done });
}

/** The access that stands in front of a read's or write's payload, checked against its region. */
function decodeAccess(regions: Regions, payload: Uint8Array) {
  if (payload.length < ACCESS.size) throw invalid();
  const low = getUint32(payload, ACCESS.offsets.offset);
  // Above 2^53 the sum loses digits, but it stays far outside every region.
  const offset = getUint32(payload, ACCESS.offsets.offset + 4) * 2 ** 32 + low;
  const count = getUint32(payload, ACCESS.offsets.count);
  const region = regionAt(regions, getUint32(payload, ACCESS.offsets.region));
  if (count > OWN_CAPABILITIES.max_data_xfer_size || offset + count > region.size) throw invalid();
  return { region, offset, count };
}

/** A reply repeats its request's access. Byte by byte: for so few, `set` costs more. */
function copyAccess(request: Uint8Array, answer: Uint8Array): void {
  for (let at = 0; at < ACCESS.size; at += 1) answer[at] = request[at] ?? 0;
}

function regionAt(regions: Regions, index: number): ServedRegion {
  const region = regions[index];
  if (region === undefined) throw invalid();
  return region;
}
