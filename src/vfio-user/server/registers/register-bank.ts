/** The registers of one name: what an access to a part of one does, and whom it tells. */

import type { MaybePromise } from "../link/session.ts";
import type { DeviceClient } from "../parts/device-client.ts";
import type { ResetKind } from "../parts/reset-kind.ts";
import { littleEndian, littleEndian64, MaskedBytes, putLittleEndian, type Width } from "./masked-bytes.ts";
import { requireValue, type RegisterAccesses, type RegisterDescription } from "./register-map.ts";

/** Whose access it is, and to which register of an array. */
export interface RegisterAccess {
  readonly client: DeviceClient;
  /** 0 where it is no array. */
  readonly index: number;
}

export interface RegisterWrite<Value> extends RegisterAccess {
  /** What stood there before. */
  readonly previous: Value;
}

export type AnyValue = number | bigint;

/** Registers of one name. */
export interface Bank {
  readonly name: string;
  readonly width: Width;
  readonly count: number;
  readonly exact: boolean;
  readonly survives: readonly ResetKind[];
  readonly bytes: MaskedBytes;
  onRead: ((value: AnyValue, access: RegisterAccess) => MaybePromise<AnyValue | void>) | null;
  onWrite: ((value: AnyValue, write: RegisterWrite<AnyValue>) => MaybePromise<void>) | null;
}

/** A register that an access touches: bytes `from` to `to` of it, which are those from `at` on of the access. */
export interface Touched {
  readonly bank: Bank;
  readonly index: number;
  readonly from: number;
  readonly to: number;
  readonly at: number;
}

export function bankOf(name: string, description: RegisterDescription, accesses: RegisterAccesses): Bank {
  const { width, count = 1, survives = [], reset = 0 } = description;
  const { writable = 2n ** BigInt(8 * width) - 1n, clearedByOne = 0, clearedByRead = 0 } = description;
  const bytes = new MaskedBytes(width * count);
  for (let index = 0; index < count; index += 1)
    bytes.define(index * width, width, reset, { writable, clearedByOne, clearedByRead });
  const exact = (description.accesses ?? accesses) === "exact";
  return { name, width, count, exact, survives, bytes, onRead: null, onWrite: null };
}

export function valueOf({ width, bytes }: Bank, index: number): AnyValue {
  return width === 8 ? bytes.get64(index * width) : bytes.get(index * width, width);
}

export function bytesOf({ width }: Bank, value: AnyValue): Uint8Array {
  const bytes = new Uint8Array(width);
  putLittleEndian(bytes, 0, width, value);
  return bytes;
}

function decode({ width }: Bank, bytes: Uint8Array): AnyValue {
  return width === 8 ? littleEndian64(bytes, 0) : littleEndian(bytes, 0, width);
}

export function readPart(
  { bank, index, from }: Touched,
  target: Uint8Array,
  client: DeviceClient,
): MaybePromise<void> {
  const start = index * bank.width + from;
  if (bank.onRead === null) {
    bank.bytes.read(start, target);
    bank.bytes.wasRead(start, target.length);
    return;
  }
  const give = (instead: AnyValue | void): void => {
    if (instead === undefined) bank.bytes.read(start, target);
    else {
      requireValue(`what is read of register ${bank.name}`, instead, bank.width);
      target.set(bytesOf(bank, instead).subarray(from, from + target.length));
    }
    bank.bytes.wasRead(start, target.length);
  };
  const instead = bank.onRead(valueOf(bank, index), { client, index });
  return instead instanceof Promise ? instead.then(give) : give(instead);
}

export function writePart(
  { bank, index, from }: Touched,
  source: Uint8Array,
  client: DeviceClient,
): MaybePromise<void> {
  const { bytes, width } = bank;
  const start = index * width;
  if (bank.onWrite === null) {
    bytes.write(start + from, source);
    return;
  }
  const written = new Uint8Array(width);
  bytes.neutral(start, written);
  written.set(source, from);
  const previous = valueOf(bank, index);
  bytes.write(start + from, source);
  return bank.onWrite(decode(bank, written), { client, index, previous });
}
