/** What puts a device into its first state. */

/**
 * - `device`: the client asked for it (VFIO_USER_DEVICE_RESET), as a virtual machine does that is started again.
 * - `function`: the client wrote a function-level reset to configuration space.
 * - `power`: it brought a device with `softReset` from D3hot back to D0.
 * - `client-lost`: the client is gone, and the next one is to find a device as new.
 */
export type ResetKind = (typeof RESET_KINDS)[number];

export const RESET_KINDS = ["device", "function", "power", "client-lost"] as const;
