/** What host and guest write into the memory of an ivshmem device, so that each can look for the other's. */

export const SHARED_SIZE = 64 * 1024 * 1024;

/** Where the host's bytes lie before the guest starts. */
export const FROM_HOST = { offset: 0x10_0000, size: 0x4000 };

/** Where the guest's bytes lie once it has ended, each written another way. */
export const FROM_GUEST = {
  mapping: { offset: 0x20_0000, size: 0x100 },
  file: { offset: 0x20_1000, size: 0x100 },
  view: { offset: 0x20_2000, size: 0x1000 },
  copy: { offset: 0x20_3001, size: 0x1001 },
  gap: { offset: 0x30_0000, size: 0x100 },
} as const;

/** The byte that belongs at an offset: no two neighbours alike, nor the same offset in another page. */
export function byteAt(offset: number): number {
  return (Math.imul(offset, 0x9e3779b1) >>> 24) & 0xff;
}

export function bytesAt({ offset, size }: { readonly offset: number; readonly size: number }): Uint8Array {
  return Uint8Array.from({ length: size }, (_, index) => byteAt(offset + index));
}
