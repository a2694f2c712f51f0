/**
 * VFIO_USER_DEVICE_FEATURE. The specification knows features of migration alone: those that tell which pages were written
 * to (DMA_LOGGING_…), and those that move a device's state (MIGRATION, MIG_DEVICE_STATE), where its author lets them.
 *
 * What is no feature here answers ENOTTY, as the kernel's VFIO does (vfio_ioctl_device_feature in drivers/vfio/vfio_main.c,
 * vfio_pci_core_ioctl_feature in drivers/vfio/pci/vfio_pci_core.c): clients written for that take it for "there is none" and go on.
 */

import { constants } from "node:os";
import {
  VFIO_DEVICE_FEATURE_ARGUMENT,
  VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT,
  VFIO_DEVICE_FEATURE_DMA_LOGGING_START,
  VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP,
  VFIO_DEVICE_FEATURE_GET,
  VFIO_DEVICE_FEATURE_MASK,
  VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE,
  VFIO_DEVICE_FEATURE_MIGRATION,
  VFIO_DEVICE_FEATURE_PROBE,
  VFIO_DEVICE_FEATURE_SET,
} from "../../device/transport/vfio-abi.ts";
import { DeviceError } from "../wire/device-error.ts";
import { bitmapSize, type DmaLog } from "./dma/dma-log.ts";
import { PAGE_SIZE } from "./dma/page-set.ts";
import { decodeHead, invalid } from "../wire/payload.ts";
import {
  VFIO_USER_DMA_LOGGING_CONTROL,
  VFIO_USER_DMA_LOGGING_RANGE,
  VFIO_USER_DMA_LOGGING_REPORT,
} from "../wire/protocol.ts";
import type { ReplyMessage } from "./link/reply-message.ts";
import type { MaybePromise } from "./link/session.ts";
import { changeState, describeMigration, describeState } from "./migration/migration-requests.ts";
import type { ServedMigration } from "./migration/served-migration.ts";
import type { DeviceClient } from "./parts/device-client.ts";

const { E2BIG, ENOTTY, EOVERFLOW } = constants.errno;
const HEAD = VFIO_DEVICE_FEATURE_ARGUMENT;
const CONTROL = VFIO_USER_DMA_LOGGING_CONTROL;
const RANGE = VFIO_USER_DMA_LOGGING_RANGE;
const REPORT = VFIO_USER_DMA_LOGGING_REPORT;
const OPERATIONS = VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_SET;
const ADDRESS_SPACE = 1n << 64n;
/** Of one report: 512 GiB in pages of 4 KiB. */
const MOST_BITMAP_BYTES = 2 ** 24;

/** What can be done with a feature that every device has. */
const SUPPORTED: ReadonlyMap<number, number> = new Map([
  [VFIO_DEVICE_FEATURE_DMA_LOGGING_START, VFIO_DEVICE_FEATURE_SET],
  [VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP, VFIO_DEVICE_FEATURE_SET],
  [VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT, VFIO_DEVICE_FEATURE_GET],
]);

const OF_MIGRATION: ReadonlyMap<number, number> = new Map([
  [VFIO_DEVICE_FEATURE_MIGRATION, VFIO_DEVICE_FEATURE_GET],
  [VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_SET],
]);

/** What features are about. */
export interface Featured {
  readonly log: DmaLog;
  /** Null where the device's state cannot be moved. */
  readonly migration: ServedMigration | null;
}

export function deviceFeature(
  { log, migration }: Featured,
  payload: Uint8Array,
  reply: ReplyMessage,
  client: DeviceClient,
): MaybePromise<void> {
  const { argsz, flags } = decodeHead(HEAD, payload);
  const operations = flags & OPERATIONS;
  const probe = (flags & VFIO_DEVICE_FEATURE_PROBE) !== 0;
  if (argsz < HEAD.size) throw invalid();
  if ((flags & ~(VFIO_DEVICE_FEATURE_MASK | OPERATIONS | VFIO_DEVICE_FEATURE_PROBE)) !== 0) throw invalid();
  if (!probe && operations === OPERATIONS) throw invalid();
  const feature = flags & VFIO_DEVICE_FEATURE_MASK;
  const supported = SUPPORTED.get(feature) ?? (migration === null ? undefined : OF_MIGRATION.get(feature));
  if (supported === undefined) throw new DeviceError(ENOTTY);
  if ((operations & ~supported) !== 0 || (!probe && operations === 0)) throw invalid();
  // The reply to a probe, and to a setting, is the request.
  const set = operations === VFIO_DEVICE_FEATURE_SET;
  if ((probe || set) && argsz < payload.length) throw invalid();
  if (probe) reply.payload(payload.length).set(payload);
  else if (migration !== null && feature === VFIO_DEVICE_FEATURE_MIGRATION)
    describeMigration(migration, payload, argsz, reply);
  else if (migration !== null && feature === VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE) {
    if (set) return changeState(migration, payload, reply, client);
    describeState(migration, payload, argsz, reply);
  } else if (feature === VFIO_DEVICE_FEATURE_DMA_LOGGING_START) start(log, payload, reply);
  else if (feature === VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT) report(log, payload, argsz, reply);
  else {
    log.stop();
    reply.payload(payload.length).set(payload);
  }
}

/** All writes are logged, whatever ranges the client cares for; the page size that it wishes is a hint. */
function start(log: DmaLog, payload: Uint8Array, reply: ReplyMessage): void {
  const control = decodeHead(CONTROL, payload.subarray(HEAD.size));
  const ranges = HEAD.size + CONTROL.size;
  if (!isPowerOfTwo(control.page_size)) throw invalid();
  if (payload.length < ranges + control.num_ranges * RANGE.size) throw invalid();
  for (let number = 0; number < control.num_ranges; number += 1) {
    const { iova, length } = RANGE.decode(payload, ranges + number * RANGE.size);
    if (length === 0n) throw invalid();
    if (iova + length > ADDRESS_SPACE) throw new DeviceError(EOVERFLOW);
  }
  log.start();
  const answer = reply.payload(payload.length);
  answer.set(payload);
  CONTROL.encodeInto(answer, HEAD.size, { ...control, page_size: PAGE_SIZE });
}

function report(log: DmaLog, payload: Uint8Array, argsz: number, reply: ReplyMessage): void {
  const asked = decodeHead(REPORT, payload.subarray(HEAD.size));
  const { iova, length, page_size } = asked;
  // As iova_bitmap_alloc's callers have it: pages of 4 KiB or more.
  if (!log.logging || !isPowerOfTwo(page_size) || page_size < PAGE_SIZE || length === 0n) throw invalid();
  if (iova + length > ADDRESS_SPACE) throw new DeviceError(EOVERFLOW);
  const bytes = bitmapSize(length, page_size);
  if (bytes > BigInt(MOST_BITMAP_BYTES)) throw new DeviceError(E2BIG);
  const bitmapAt = HEAD.size + REPORT.size;
  const size = bitmapAt + Number(bytes);
  if (argsz < size) throw invalid();
  const answer = reply.payload(size).fill(0);
  HEAD.encodeInto(answer, 0, { ...HEAD.decode(payload), argsz: size });
  REPORT.encodeInto(answer, HEAD.size, asked);
  log.report(iova, length, page_size, answer.subarray(bitmapAt));
}

function isPowerOfTwo(value: bigint): boolean {
  return value > 0n && (value & (value - 1n)) === 0n;
}
