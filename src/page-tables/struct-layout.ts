/** Where the members of the kernel's structures lie, by path: `arch.tdp_mmu_roots` in `struct kvm`. */

import { hugebarError } from "../errors.ts";
import type { Btf } from "./btf.ts";

/** A member as bits of the word it lies in. */
export interface BitField {
  /** Bytes from the structure's start to the 32-bit word. */
  readonly word: number;
  readonly shift: number;
  readonly mask: number;
}

/** Members of the structures that one BTF knows. What is missing is an error that names it. */
export class StructLayout {
  readonly #btf: Btf;

  constructor(btf: Btf) {
    this.#btf = btf;
  }

  /** @throws ERR_NOT_SUPPORTED where the structure is not there */
  sizeOf(struct: string): number {
    return this.#btf.sizeOf(this.#find(struct));
  }

  /**
   * Bytes from the start of the structure to the member; of an array, to its first element.
   *
   * @throws ERR_NOT_SUPPORTED where the structure or the member is not there
   */
  offset(struct: string, path: string): number {
    const found = this.#follow(struct, path);
    if (found === null) throw missing(`${path} in struct ${struct}`);
    return found.bitOffset / 8;
  }

  /** As `offset`; null where there is no such member. */
  offsetOrNull(struct: string, path: string): number | null {
    const found = this.#follow(struct, path);
    return found === null ? null : found.bitOffset / 8;
  }

  /**
   * A bit field.
   *
   * @throws ERR_NOT_SUPPORTED where the structure or the member is not there
   */
  bits(struct: string, path: string): BitField {
    const found = this.bitsOrNull(struct, path);
    if (found === null) throw missing(`${path} in struct ${struct}`);
    return found;
  }

  /** As `bits`; null where there is no such member. */
  bitsOrNull(struct: string, path: string): BitField | null {
    const found = this.#follow(struct, path);
    if (found === null || found.bitSize === null) return null;
    const word = Math.floor(found.bitOffset / 32);
    return { word: word * 4, shift: found.bitOffset % 32, mask: 2 ** found.bitSize - 1 };
  }

  #find(struct: string): number {
    const type = this.#btf.findStruct(struct);
    if (type === null) throw missing(`struct ${struct}`);
    return type;
  }

  #follow(struct: string, path: string): { bitOffset: number; bitSize: number | null } | null {
    let type = this.#find(struct);
    let bitOffset = 0;
    let bitSize: number | null = null;
    for (const name of path.split(".")) {
      const member = this.#btf.member(this.#btf.elementOf(type), name);
      if (member === null) return null;
      bitOffset += member.bitOffset;
      ({ bitSize, type } = member);
    }
    return { bitOffset, bitSize };
  }
}

function missing(what: string): Error {
  return hugebarError("ERR_NOT_SUPPORTED", {
    action: "read page tables",
    problem: `this kernel's BTF has no ${what}: report its version, so that hugebar can learn it`,
  });
}
