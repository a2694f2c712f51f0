/** Hexadecimal numbers as /proc and /sys write them. */

/** The last address of a 64-bit machine, plus one. */
export const MAX_ADDRESS = 1n << 64n;

/** `"7f00"` → 0x7f00n. The caller has checked that `digits` holds only hexadecimal digits, at least one. */
export function parseHex(digits: string): bigint {
  return BigInt(`0x${digits}`);
}

/** An address as JSON and tables write it: `"0x7f0000000000"`. */
export function formatAddress(address: bigint): string {
  return `0x${address.toString(16)}`;
}
