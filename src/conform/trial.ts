/** One mapping of a trial: laid where a point wants it, with nothing else around it that it could grow together with. */

import type { MappedRange } from "../layout/leaves.ts";
import { roundUp } from "../layout/sizes.ts";
import {
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_NORESERVE,
  MAP_PRIVATE,
  MAP_SHARED,
  PROT_NONE,
  PROT_READ,
} from "../system/constants.ts";
import type { Subject } from "./subject.ts";

export interface TrialOptions {
  /** Where in the area the mapping starts; 0 by default. */
  readonly offset?: number;
  readonly size: number;
  /** Bytes that the address lies past congruence with the physical address; 0 by default. */
  readonly shift?: number;
  /** In its place: bytes that the address lies past a boundary of a PUD, whatever the physical address is. */
  readonly past?: number;
  /** An madvise(2) before the first touch. */
  readonly advice?: number;
  readonly protection?: number;
}

export class Trial implements MappedRange {
  readonly address: bigint;
  readonly size: number;
  readonly physical: bigint;
  readonly #subject: Subject;
  readonly #reservation: { readonly address: bigint; readonly size: number };

  constructor(subject: Subject, { offset = 0, size, shift = 0, past, advice, protection }: TrialOptions) {
    const { system, model, fd, fdOffset } = subject;
    this.#subject = subject;
    this.size = size;
    this.physical = subject.physical + BigInt(offset);
    const boundary = BigInt(model.pudSize);
    const wanted = past === undefined ? this.physical + BigInt(shift) : BigInt(past);
    const reserved = size + 2 * model.pudSize;
    const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    const base = system.mmap(0n, reserved, PROT_NONE, flags, -1, 0);
    this.#reservation = { address: base, size: reserved };
    this.address = roundUp(base, boundary) + (((wanted % boundary) + boundary) % boundary);
    try {
      const access = protection ?? PROT_READ;
      system.mmap(this.address, size, access, MAP_SHARED | MAP_FIXED, fd, fdOffset + offset);
      if (advice !== undefined) system.madvise(this.address, size, advice);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** The part of it, as a mapping of its own. */
  piece(offset: number, size: number): MappedRange {
    return { address: this.address + BigInt(offset), size, physical: this.physical + BigInt(offset) };
  }

  close(): void {
    this.#subject.system.munmap(this.#reservation.address, this.#reservation.size);
  }
}
