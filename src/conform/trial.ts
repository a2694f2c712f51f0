/** One mapping of a trial: laid where a point wants it. */

import type { MappedRange } from "../layout/leaves.ts";
import { MAP_FIXED, MAP_SHARED } from "../system/constants.ts";
import { reserve, type Reservation } from "./reservation.ts";
import type { TestedArea } from "./subject.ts";

export interface TrialOptions {
  /** Where in the area the mapping starts; 0 by default. */
  readonly offset?: number;
  readonly size: number;
  /** Bytes that the address lies past congruence with the physical address; 0 by default. */
  readonly shift?: number;
  /** In its place: bytes that the address lies past a boundary of a PUD, whatever the physical address is. */
  readonly past?: number;
  /** An madvise(2) before the first touch, null for none; the area's by default. */
  readonly advice?: number | null;
  /** PROT_…; what the area allows, by default. */
  readonly protection?: number;
}

export class Trial implements MappedRange {
  readonly address: bigint;
  readonly size: number;
  readonly physical: bigint;
  readonly #reservation: Reservation;

  constructor(subject: TestedArea, { offset = 0, size, shift = 0, past, ...options }: TrialOptions) {
    const { system, fd, fdOffset } = subject;
    const { protection = subject.protection, advice = subject.advice } = options;
    this.size = size;
    this.physical = subject.physical + BigInt(offset);
    this.#reservation = reserve(
      subject,
      size,
      past === undefined ? this.physical + BigInt(shift) : BigInt(past),
    );
    this.address = this.#reservation.address;
    try {
      system.mmap(this.address, size, protection, MAP_SHARED | MAP_FIXED, fd, fdOffset + offset);
      if (advice !== null) system.madvise(this.address, size, advice);
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
    this.#reservation.release();
  }
}
