/** The regions of the soak test's device, as it and its client know them. */

export const REGISTERS = 0;
/** In the registers: reading it tells the server's `usage`, as JSON with spaces behind. */
export const USAGE = 0x800;
export const USAGE_SIZE = 0x100;
export const MEMORY = 2;
