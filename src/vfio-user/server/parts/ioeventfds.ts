/** Places in a region where writes only kick the device. */

import { constants } from "node:os";
import { hugebarError, type HugebarError } from "../../../errors.ts";
import type { Area } from "../../../layout/areas.ts";
import type { DeviceRegion, IoEventFd, WriteHandler } from "./region-description.ts";
import { DeviceError } from "../../wire/device-error.ts";
import { OWN_CAPABILITIES } from "../../wire/version.ts";

/** KVM takes these, and 0 for any (kvm_assign_ioeventfd in virt/kvm/eventfd.c). */
const SIZES: ReadonlySet<number> = new Set([0, 1, 2, 4, 8]);

/** @throws ERR_ARGUMENT when a client could make no use of one. */
export function checkIoeventfds(
  { index, readOnly = false, ioeventfds = [] }: DeviceRegion,
  regionSize: number,
  areas: readonly Area[],
): void {
  const what = `the ioeventfds of region ${index}`;
  if (readOnly && ioeventfds.length > 0) throw unusable(what, "the region is read-only");
  if (ioeventfds.length > OWN_CAPABILITIES.max_msg_fds)
    throw unusable(what, `a message carries ${OWN_CAPABILITIES.max_msg_fds} descriptors at most`);
  for (const [number, ioeventfd] of ioeventfds.entries()) {
    const problem = problemOf(ioeventfd, regionSize, areas, ioeventfds.slice(0, number));
    if (problem !== null) throw unusable(`ioeventfd ${number} of region ${index}`, problem);
  }
}

/** Gives writes that kick to whom they kick, and all others to `write`. */
export function kickOr(
  ioeventfds: readonly IoEventFd[],
  write: WriteHandler | undefined,
): WriteHandler | undefined {
  if (ioeventfds.length === 0) return write;
  return (offset, source, client) => {
    const kicked = ioeventfds.find((ioeventfd) => isKick(ioeventfd, offset, source));
    if (kicked !== undefined) return kicked.onKick(1, client);
    if (write !== undefined) return write(offset, source, client);
    throw new DeviceError(constants.errno.EINVAL, "the region takes kicks alone");
  };
}

function isKick({ offset, size, datamatch }: IoEventFd, at: number, source: Uint8Array): boolean {
  if (offset !== at || (size !== 0 && size !== source.length)) return false;
  return datamatch === undefined || datamatch === littleEndian(source);
}

function littleEndian(bytes: Uint8Array): bigint {
  return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

function problemOf(
  { offset, size, datamatch }: IoEventFd,
  regionSize: number,
  areas: readonly Area[],
  others: readonly IoEventFd[],
): string | null {
  if (!SIZES.has(size)) return `its size (${size}) is none of 0, 1, 2, 4 and 8`;
  const end = offset + Math.max(size, 1);
  if (!Number.isSafeInteger(offset) || offset < 0 || end > regionSize)
    return `its offset (${offset}) lies outside the region (${regionSize})`;
  if (size > 0 && offset % size !== 0) return `its offset (${offset}) is no multiple of its size (${size})`;
  if (areas.some((area) => area.offset < end && offset < area.offset + area.size))
    return "clients may map that part of the region, and would write past it";
  if (datamatch !== undefined && (size === 0 || datamatch < 0n || datamatch >= 1n << BigInt(8 * size)))
    return `no write of ${size} bytes has the value ${datamatch}`;
  // KVM refuses these too: which one is kicked would depend on their order.
  const same = (other: IoEventFd): boolean =>
    other.offset === offset &&
    (other.size === size || other.size === 0 || size === 0) &&
    (other.datamatch === undefined || datamatch === undefined || other.datamatch === datamatch);
  return others.some(same) ? "another one is kicked by the same writes" : null;
}

function unusable(what: string, problem: string): HugebarError {
  return hugebarError("ERR_ARGUMENT", { what, problem });
}
