/** For tests: lists as ZFS packs them. */

export type PackedValue = string | bigint | PackedList | readonly PackedList[];
export interface PackedList {
  readonly [name: string]: PackedValue;
}

/** With the header of the outermost list. */
export function packNvList(list: PackedList): Buffer {
  return Buffer.concat([Buffer.of(1, 1, 0, 0), packed(list)]);
}

function packed(list: PackedList): Buffer {
  const pairs = Object.entries(list).map(([name, value]) => {
    const body = Buffer.concat([text(name), typed(value)]);
    // The second size is that in memory, which nobody reads.
    return Buffer.concat([word(body.length + 8), word(body.length + 32), body]);
  });
  return Buffer.concat([word(0), word(1), ...pairs, word(0), word(0)]);
}

function typed(value: PackedValue): Buffer {
  if (typeof value === "string") return Buffer.concat([word(9), word(1), text(value)]);
  if (typeof value === "bigint") {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64BE(value);
    return Buffer.concat([word(8), word(1), bytes]);
  }
  const isArray = (given: typeof value): given is readonly PackedList[] => Array.isArray(given);
  if (isArray(value)) return Buffer.concat([word(20), word(value.length), ...value.map(packed)]);
  return Buffer.concat([word(19), word(1), packed(value)]);
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([word(bytes.length), bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]);
}

function word(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
