/** The bytes of a capability whose meaning is its author's affair, and what happens as clients use them. */

import { requireBytes, requireFunction } from "../../../arguments.ts";
import { hugebarError } from "../../../errors.ts";
import type { DeviceClient } from "../parts/device-client.ts";
import type { ReadHandler, WriteHandler } from "../parts/region-description.ts";
import type { MaskedBytes } from "../registers/masked-bytes.ts";

export interface CapabilityData {
  /** What stands there after a reset. */
  readonly data: Uint8Array;
  /** The bits of `data` that clients may write, as long as it; none, if left out. */
  readonly writable?: Uint8Array;
  /** A client reads bytes of `data`, from `offset` on: `target` holds what stands there, and may be given something else. */
  readonly onRead?: ReadHandler;
  /** A client has written there: `source`, of which the capability has taken by then what `writable` allows. */
  readonly onWrite?: WriteHandler;
}

export interface PlacedData {
  /** Where the data begin. */
  readonly start: number;
  readonly capability: CapabilityData;
}

/** @throws ERR_ARGUMENT for values of the wrong kind */
export function checkCapabilityData(what: string, capability: CapabilityData): void {
  const { data, writable, onRead, onWrite } = capability;
  requireBytes(`the data of ${what}`, data);
  if (writable !== undefined) requireBytes(`the writable bits of ${what}`, writable);
  for (const handler of [onRead, onWrite])
    if (handler !== undefined) requireFunction(`a handler of ${what}`, handler);
}

/** @throws ERR_ARGUMENT where the writable bits are of another length */
export function defineData(config: MaskedBytes, what: string, { start, capability }: PlacedData): void {
  const { data, writable } = capability;
  if (writable !== undefined && writable.length !== data.length) {
    const problem = `it has ${data.length} bytes of data, and ${writable.length} that say which bits are writable`;
    throw hugebarError("ERR_ARGUMENT", { what, problem });
  }
  for (const [at, byte] of data.entries())
    config.define(start + at, 1, byte, { writable: writable?.[at] ?? 0 });
}

/** Calls the handlers that an access to configuration space concerns, each with its part; nothing where there is none. */
export function handleAccess(
  placed: readonly PlacedData[],
  handler: "onRead" | "onWrite",
  access: { readonly offset: number; readonly bytes: Uint8Array; readonly client: DeviceClient },
): Promise<void> | undefined {
  const { offset, bytes, client } = access;
  const end = offset + bytes.length;
  const touched = placed.filter(
    ({ start, capability }) =>
      capability[handler] !== undefined && start < end && offset < start + capability.data.length,
  );
  if (touched.length === 0) return undefined;
  return (async () => {
    for (const { start, capability } of touched) {
      const from = Math.max(start, offset);
      const part = bytes.subarray(from - offset, Math.min(start + capability.data.length, end) - offset);
      await capability[handler]?.(from - start, part, client);
    }
  })();
}
