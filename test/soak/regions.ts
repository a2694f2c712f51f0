/** The regions of the soak test's device, as it and its client know them. */

export const REGISTERS = 0;
/** In the registers: reading it tells the server's `usage`, as JSON with spaces behind. */
export const USAGE = 0x800;
export const USAGE_SIZE = 0x100;
export const MEMORY = 2;
/** Writing there has the device add one to each byte of the client's memory at `AT`. */
export const ORDER = 0x10;
export const AT = 0x10_0000n;
export const TRANSFER = 4096;
