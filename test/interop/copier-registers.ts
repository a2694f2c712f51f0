/** The copier's registers, of 32 bits where nothing else is said: what its driver and the device itself must agree on. */

export const REGISTERS = {
  /** Reads as IDENTIFICATION. */
  identification: 0x00,
  /** Keeps what is written. */
  scratch: 0x04,
  /** 64 bits: where in the client's memory. */
  address: 0x08,
  /** Where in BAR 2. */
  offset: 0x10,
  length: 0x14,
  /** A write of COMMANDS begins it. */
  command: 0x18,
  /** One of STATUS. */
  status: 0x1c,
  /** A write raises the MSI-X vector of this number. */
  interrupt: 0x20,
  /** Takes numbers that each are one more than the last; reads as how many came in order. */
  stream: 0x24,
  /** How often the device was reset. */
  resets: 0x28,
} as const;

export const IDENTIFICATION = 0x70_6f_43_68;

export const COMMANDS = {
  /** Copies `length` bytes from the client's memory into BAR 2. */
  fetch: 1,
  /** Copies `length` bytes of BAR 2 to the client's memory. */
  store: 2,
  /** Done only after half a second. */
  stall: 3,
  /** Ends the device's process, as a crash would. */
  die: 4,
} as const;

export const STATUS = { done: 0, busy: 1, failed: 2 } as const;

export const REGISTER_BAR = 0;
export const MEMORY_BAR = 2;
export const MSIX_BAR = 4;
export const PORT_BAR = 5;
/** I/O ports, which keep what is written. */
export const PORTS = 16;
export const VECTORS = 3;

/** BAR 2 has a gap, whose bytes the device makes up: each is the low byte of its offset's page number. */
export const MEMORY_SIZE = 16 * 2 ** 20;
export const GAP = { offset: 8 * 2 ** 20, size: 64 * 2 ** 10 };

/** A designated vendor-specific capability of Red Hat's, whose last byte its handler tells. */
export const DVSEC = { id: 0x23, data: Uint8Array.of(0x36, 0x1b, 0xe0, 0x00, 7, 0, 1, 2, 3, 0) } as const;
/** A vendor-specific one behind a gap, whose bytes go into the ports as they are written. */
export const SCRATCH = { id: 0x0b, offset: 0x140 } as const;
