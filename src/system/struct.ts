/**
 * The one codec for C structures: ioctl arguments, socket messages and kernel replies alike. A structure is declared
 * once, field by field in the order of the C declaration; sizes and offsets follow from C's rules of natural alignment
 * on a 64-bit little-endian machine.
 */

import { hugebarError } from "../errors.ts";

const FIELD_SIZES = { u8: 1, u16: 2, u32: 4, i32: 4, u64: 8 } as const;

const RANGES = {
  u8: { least: 0, most: 2 ** 8 - 1 },
  u16: { least: 0, most: 2 ** 16 - 1 },
  u32: { least: 0, most: 2 ** 32 - 1 },
  i32: { least: -(2 ** 31), most: 2 ** 31 - 1 },
  u64: { least: 0n, most: 2n ** 64n - 1n },
} as const;

/** The type of a field: `u64` is a `bigint`, the others are `number`s. */
export type FieldType = keyof typeof FIELD_SIZES;

type FieldValue<Type extends FieldType> = Type extends "u64" ? bigint : number;

/** The JavaScript value of a structure with these fields. */
export type StructValue<Fields extends Record<string, FieldType>> = {
  readonly [Name in keyof Fields]: FieldValue<Fields[Name]>;
};

/** A structure's layout and its codec. */
export interface Struct<Fields extends Record<string, FieldType>> {
  /** `sizeof` in bytes. */
  readonly size: number;
  /** `offsetof` each field in bytes. */
  readonly offsets: { readonly [Name in keyof Fields]: number };
  /** Reads the structure at byte `at` of `bytes`; throws RangeError when it does not fit. */
  decode(bytes: Uint8Array, at?: number): StructValue<Fields>;
  /** Writes the structure at byte `at` of `bytes`; fields left out become 0. ERR_ARGUMENT for what does not fit a field. */
  encodeInto(bytes: Uint8Array, at: number, value: Partial<StructValue<Fields>>): void;
  /** A new buffer with the structure, followed by `extra` zero bytes. ERR_ARGUMENT as with `encodeInto`. */
  encode(value: Partial<StructValue<Fields>>, extra?: number): Uint8Array;
}

/**
 * Declares a structure.
 *
 * @example
 * const VFIO_DEVICE_INFO = struct({ argsz: "u32", flags: "u32", num_regions: "u32", num_irqs: "u32" });
 * const request = VFIO_DEVICE_INFO.encode({ argsz: VFIO_DEVICE_INFO.size });
 */
export function struct<const Fields extends Record<string, FieldType>>(fields: Fields): Struct<Fields> {
  const placed = placeFields(fields);
  const size = sizeOf(placed);

  function encodeInto(bytes: Uint8Array, at: number, value: Partial<StructValue<Fields>>): void {
    const view = viewOf(bytes);
    const values = new Map<string, number | bigint | undefined>(Object.entries(value));
    for (const field of placed) writeField(view, field, at, values.get(field.name) ?? 0);
  }

  return {
    size,
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the entries are exactly the fields' names
    offsets: Object.fromEntries(placed.map(({ name, offset }) => [name, offset])) as {
      [Name in keyof Fields]: number;
    },
    decode(bytes, at = 0) {
      const view = viewOf(bytes);
      const entries = placed.map(({ name, type, offset }) => [name, readField(view, type, at + offset)]);
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- readField gives each field the value of its type
      return Object.fromEntries(entries) as StructValue<Fields>;
    },
    encodeInto,
    encode(value, extra = 0) {
      const bytes = new Uint8Array(size + extra);
      encodeInto(bytes, 0, value);
      return bytes;
    },
  };
}

interface PlacedField {
  readonly name: string;
  readonly type: FieldType;
  readonly offset: number;
}

function placeFields(fields: Record<string, FieldType>): PlacedField[] {
  let end = 0;
  return Object.entries(fields).map(([name, type]) => {
    const offset = roundUp(end, FIELD_SIZES[type]);
    end = offset + FIELD_SIZES[type];
    return { name, type, offset };
  });
}

function sizeOf(placed: readonly PlacedField[]): number {
  const last = placed.at(-1);
  if (last === undefined) return 0;
  const alignment = Math.max(...placed.map(({ type }) => FIELD_SIZES[type]));
  return roundUp(last.offset + FIELD_SIZES[last.type], alignment);
}

function roundUp(value: number, multiple: number): number {
  return Math.ceil(value / multiple) * multiple;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function readField(view: DataView, type: FieldType, at: number): number | bigint {
  switch (type) {
    case "u8":
      return view.getUint8(at);
    case "u16":
      return view.getUint16(at, true);
    case "u32":
      return view.getUint32(at, true);
    case "i32":
      return view.getInt32(at, true);
    case "u64":
      return view.getBigUint64(at, true);
  }
}

function writeField(view: DataView, { name, type, offset }: PlacedField, at: number, value: number | bigint) {
  requireFit(name, type, value);
  switch (type) {
    case "u8":
      view.setUint8(at + offset, Number(value));
      return;
    case "u16":
      view.setUint16(at + offset, Number(value), true);
      return;
    case "u32":
      view.setUint32(at + offset, Number(value), true);
      return;
    case "i32":
      view.setInt32(at + offset, Number(value), true);
      return;
    case "u64":
      view.setBigUint64(at + offset, BigInt(value), true);
  }
}

/** DataView cuts off what does not fit, and so would name another address or another length without a word. */
function requireFit(name: string, type: FieldType, value: number | bigint): void {
  const { least, most } = RANGES[type];
  const whole = typeof value === "bigint" ? type === "u64" : Number.isSafeInteger(value);
  if (whole && value >= least && value <= most) return;
  const problem = `a field of type ${type} holds whole numbers from ${least} to ${most}`;
  throw hugebarError("ERR_ARGUMENT", { what: `${String(value)} as ${name}`, problem });
}
