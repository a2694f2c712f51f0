/** Decoding a request's payload. */

import { constants } from "node:os";
import type { FieldType, Struct, StructValue } from "../../system/struct.ts";
import { DeviceError } from "./device-error.ts";

/** Decodes a payload that is this structure; one with more or less in it is refused. */
export function decodeExactly<Fields extends Record<string, FieldType>>(
  layout: Struct<Fields>,
  payload: Uint8Array,
): StructValue<Fields> {
  if (payload.length !== layout.size) throw invalid();
  return layout.decode(payload);
}

/**
 * Decodes a payload that begins with this structure. One with an `argsz` may be followed by anything: libvfio-user's
 * client sends as much as it has room for in the reply (`do_get_device_region_info` in its samples/client.c).
 */
export function decodeHead<Fields extends Record<string, FieldType>>(
  layout: Struct<Fields>,
  payload: Uint8Array,
): StructValue<Fields> {
  if (payload.length < layout.size) throw invalid();
  return layout.decode(payload);
}

/** The answer to a request that is no such request. */
export function invalid(): DeviceError {
  return new DeviceError(constants.errno.EINVAL);
}
