/** The one processor of a guest: what differs between the architectures. One file beside this for each. */

export interface Touching {
  readonly guestAddress: bigint;
  readonly step: number;
  readonly count: number;
  readonly how: "read" | "write";
}

/** The guest's own memory: tables, programs, and a page that is touched only to have been. */
export const LOW = { address: 0x1_0000n, size: 0x1_0000, scratch: 0x1_8000n } as const;

/** What a processor is made of: the descriptors of /dev/kvm and of the machine, and the bytes of the guest's own memory. */
export interface Parts {
  readonly device: number;
  readonly vm: number;
  readonly low: Buffer;
}

export interface Processor {
  /** Its descriptor. */
  readonly cpu: number;
  /** Sets its registers so that, run, it touches these addresses and then leaves the guest. */
  readonly prepare: (touching: Touching) => void;
  /** How it leaves the guest once it has: `exit_reason`. */
  readonly exit: number;
}
