/** A vfio-user message as a line: everything in it is of known length, and nothing in it can end the line. */

import { constants } from "node:os";
import { errnoName } from "../../system/system.ts";
import type { VfioUserMessageEvent } from "../../vfio-user/wire/message-events.ts";
import { VFIO_USER_F_ERROR, VFIO_USER_F_NO_REPLY } from "../../vfio-user/wire/protocol.ts";
import { printable } from "./printable.ts";

/** Longer lines are cut off: a peer's version can have any text. */
const MOST_CHARACTERS = 400;

/** `received 7 VFIO_USER_REGION_READ, 32 bytes: offset 0x1000, region 0, count 4` */
export function messageLine(message: VfioUserMessageEvent): string {
  const { direction, twin, id, name, type, size, flags, errno, descriptors, fields } = message;
  const parts = [
    `${direction}${twin ? " by the twin socket" : ""} ${id} ${name}${type === "reply" ? " reply" : ""}`,
    `${size} bytes`,
  ];
  if (descriptors > 0) parts.push(descriptors === 1 ? "1 descriptor" : `${descriptors} descriptors`);
  // The errno of an error reply may be left out; it must then still be one.
  if ((flags & VFIO_USER_F_ERROR) !== 0) parts.push(`error ${errorName(errno || constants.errno.EINVAL)}`);
  if ((flags & VFIO_USER_F_NO_REPLY) !== 0) parts.push("no reply wanted");
  const named = Object.entries(fields).map(([field, value]) => `${field} ${shown(field, value)}`);
  const line = printable(parts.join(", ") + (named.length === 0 ? "" : `: ${named.join(", ")}`));
  return line.length <= MOST_CHARACTERS ? line : `${line.slice(0, MOST_CHARACTERS)}…`;
}

/** `EINVAL`, or the number of one that there is not. */
function errorName(errno: number): string {
  return errnoName(errno).replace(/^errno /, "");
}

/** Addresses, sizes and flags as one reads them. */
function shown(field: string, value: number | bigint | string): string {
  return typeof value === "bigint" || field === "flags" ? `0x${value.toString(16)}` : String(value);
}
