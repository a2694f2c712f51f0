/**
 * Little-endian numbers byte by byte, for paths where microseconds count: V8 compiles these to a few loads and stores,
 * while making a DataView for a few fields is a call that costs more than they do (0.3 µs right after a system call).
 */

/** Of four bytes that are there. */
export function getUint32(bytes: Uint8Array, at: number): number {
  const [a = 0, b = 0, c = 0, d = 0] = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
  return (a | (b << 8) | (c << 16) | (d << 24)) >>> 0;
}

export function setUint16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
}

/** Writes the low 32 bits of `value`. */
export function setUint32(bytes: Uint8Array, at: number, value: number): void {
  setUint16(bytes, at, value);
  setUint16(bytes, at + 2, value >>> 16);
}
