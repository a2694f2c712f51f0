/** The device memory of a GB200, as the patch that hugebar starts from shows it: 256 GiB, of which 188 can be mapped. */
export const DEMO_REGION = {
  index: 2,
  size: 0x4000000000,
  areas: [{ offset: 0, size: 0x2f00f00000 }],
} as const;
