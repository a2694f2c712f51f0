/** The disk of the NVMe controller that a Linux guest drives. */

export const DISK_BYTES = 4 * 2 ** 20;

/** No two pages of it are alike, nor two neighbouring bytes. */
export function diskPattern(): Uint8Array {
  return Uint8Array.from({ length: DISK_BYTES }, (_, at) => at + (at >> 12) * 7 + (at >> 8));
}
