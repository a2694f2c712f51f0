/**
 * The kernel's own description of its structures: BTF (Documentation/bpf/btf.rst, include/uapi/linux/btf.h), whole or
 * split, as modules have it. Only what finds members in structures is read; nothing in it is believed unchecked.
 */

import { hugebarError } from "../errors.ts";

const BTF_MAGIC = 0xeb9f;
/** Through magic, version, flags, hdr_len and the four offsets and lengths of the two sections. */
const SMALLEST_HEADER = 24;
/** A member's type may be a chain of typedefs and qualifiers; no compiler makes a longer one. */
const LONGEST_CHAIN = 64;
/** Anonymous structures within structures. */
const DEEPEST_NESTING = 32;

const KIND_ARRAY = 3;
const KIND_STRUCT = 4;
const KIND_UNION = 5;
/** TYPEDEF, VOLATILE, CONST, RESTRICT and TYPE_TAG say nothing about the layout. */
const TRANSPARENT = new Set([8, 9, 10, 11, 18]);

/** Bytes behind the twelve that every type has, by its kind, from VOID to ENUM64. */
const FIXED_BYTES = [0, 4, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 4, 0, 0];
/** And for each of its `vlen` elements: STRUCT, UNION, ENUM, FUNC_PROTO, DATASEC and ENUM64 have some. */
const ELEMENT_BYTES = [0, 0, 0, 0, 12, 12, 8, 0, 0, 0, 0, 0, 0, 8, 0, 12, 0, 0, 0, 12];

/** A member of a structure, counted from the structure's start. */
export interface Member {
  readonly bitOffset: number;
  /** Bits of a bit field; null for any other member. */
  readonly bitSize: number | null;
  readonly type: number;
}

interface TypeAt {
  readonly btf: Btf;
  /** Where in `btf`'s bytes the type stands. */
  readonly at: number;
  readonly kind: number;
  readonly id: number;
}

/** BTF of the kernel, or of a module on top of the kernel's. */
export class Btf {
  /** The first number that a further, split BTF would use. */
  readonly nextType: number;
  readonly #name: string;
  readonly #bytes: Buffer;
  readonly #base: Btf | null;
  readonly #firstType: number;
  /** Where each type stands in the bytes. */
  readonly #types: Uint32Array;
  readonly #strings: number;
  readonly #stringsEnd: number;
  /** The first string offset of this BTF; those below are the base's. */
  readonly #firstString: number;
  readonly #found = new Map<string, number | null>();

  /**
   * @param name how messages call it: `vmlinux`, `kvm`
   * @param base the kernel's, for a module's
   * @throws ERR_PROTOCOL for anything that is not BTF, or is cut short
   */
  constructor(name: string, bytes: Buffer, base: Btf | null = null) {
    this.#name = name;
    // A small Buffer may lie anywhere in a shared pool.
    this.#bytes = bytes.byteOffset % 4 === 0 ? bytes : Buffer.from(new Uint8Array(bytes).buffer);
    this.#base = base;
    if (bytes.length < SMALLEST_HEADER) throw this.#malformed("it is shorter than its header");
    if (bytes.readUInt16LE(0) !== BTF_MAGIC) throw this.#malformed("it does not begin as BTF does");
    const header = bytes.readUInt32LE(4);
    const types = header + bytes.readUInt32LE(8);
    const typesEnd = types + bytes.readUInt32LE(12);
    this.#strings = header + bytes.readUInt32LE(16);
    this.#stringsEnd = this.#strings + bytes.readUInt32LE(20);
    if (header < SMALLEST_HEADER || typesEnd > bytes.length || this.#stringsEnd > bytes.length) {
      throw this.#malformed("its sections lie outside of it");
    }
    this.#firstType = base?.nextType ?? 1;
    this.#firstString = base?.stringsLength ?? 0;
    this.#types = this.#locateTypes(types, typesEnd);
    this.nextType = this.#firstType + this.#types.length;
  }

  /** Bytes of strings, the base's included. */
  get stringsLength(): number {
    return this.#firstString + this.#stringsEnd - this.#strings;
  }

  /** The number of the structure or union of that name; null where there is none. */
  findStruct(name: string): number | null {
    let found = this.#found.get(name);
    if (found === undefined) {
      found = this.#search(name);
      this.#found.set(name, found);
    }
    return found ?? this.#base?.findStruct(name) ?? null;
  }

  /** Bytes of a structure or union. */
  sizeOf(type: number): number {
    const { btf, at, kind } = this.#resolve(type);
    return kind === KIND_STRUCT || kind === KIND_UNION ? btf.#bytes.readUInt32LE(at + 8) : 0;
  }

  /** The member of that name, anonymous structures and unions within looked through; null where there is none. */
  member(type: number, name: string, depth = 0): Member | null {
    if (depth > DEEPEST_NESTING) throw this.#malformed("structures lie in one another without end");
    const { btf, at, kind } = this.#resolve(type);
    if (kind !== KIND_STRUCT && kind !== KIND_UNION) return null;
    const bytes = btf.#bytes;
    const info = bytes.readUInt32LE(at + 4);
    // With kind_flag a member's offset has the size of its bit field in the upper eight bits.
    const hasBitSizes = info >>> 31 === 1;
    for (let index = 0; index < (info & 0xffff); index += 1) {
      const memberAt = at + 12 + 12 * index;
      const own = btf.#string(bytes.readUInt32LE(memberAt));
      const inner = bytes.readUInt32LE(memberAt + 4);
      const raw = bytes.readUInt32LE(memberAt + 8);
      const bitOffset = hasBitSizes ? raw & 0xffffff : raw;
      if (own === name) {
        const bits = hasBitSizes ? raw >>> 24 : 0;
        return { bitOffset, bitSize: bits === 0 ? null : bits, type: inner };
      }
      if (own !== "") continue;
      const found = this.member(inner, name, depth + 1);
      if (found !== null) return { ...found, bitOffset: found.bitOffset + bitOffset };
    }
    return null;
  }

  /** The type of an array's elements, of anything else the type itself. */
  elementOf(type: number): number {
    const { btf, at, kind, id } = this.#resolve(type);
    return kind === KIND_ARRAY ? btf.#bytes.readUInt32LE(at + 12) : id;
  }

  /** Where each type stands. There are some 150,000, so words are read from an array of them. */
  #locateTypes(from: number, end: number): Uint32Array {
    if (from % 4 !== 0) throw this.#malformed("its types do not begin at a word");
    const words = wordsOf(this.#bytes);
    const offsets = new Uint32Array(Math.floor((end - from) / 12));
    let count = 0;
    for (let at = from; at < end; count += 1) {
      if (at + 12 > end) throw this.#malformed("its last type is cut short");
      const info = words[at / 4 + 1] ?? 0;
      const kind = (info >>> 24) & 0x1f;
      const fixed = FIXED_BYTES[kind];
      const each = ELEMENT_BYTES[kind];
      if (fixed === undefined || each === undefined) {
        throw this.#malformed(`kind ${kind} of its types is not known`);
      }
      offsets[count] = at;
      at += 12 + fixed + each * (info & 0xffff);
      if (at > end) throw this.#malformed("its last type is cut short");
    }
    return offsets.subarray(0, count);
  }

  #search(name: string): number | null {
    const bytes = this.#bytes;
    const wanted = `\0${name}\0`;
    const section = bytes.subarray(this.#strings, this.#stringsEnd);
    const place = section.indexOf(wanted, 0, "latin1");
    // A module's structure may bear a name that the kernel's strings have already.
    const offset = place === -1 ? this.#base?.stringOffset(name) : this.#firstString + place + 1;
    if (offset === undefined || offset === null) return null;
    const words = wordsOf(bytes);
    const types = this.#types;
    for (let index = 0; index < types.length; index += 1) {
      const at = types[index] ?? 0;
      if (words[at / 4] !== offset) continue;
      const kind = (bytes.readUInt32LE(at + 4) >>> 24) & 0x1f;
      if (kind === KIND_STRUCT || kind === KIND_UNION) return this.#firstType + index;
    }
    return null;
  }

  /** Where a whole string stands; null where there is none such. */
  stringOffset(text: string): number | null {
    const place = this.#bytes.subarray(this.#strings, this.#stringsEnd).indexOf(`\0${text}\0`, 0, "latin1");
    return place === -1 ? (this.#base?.stringOffset(text) ?? null) : this.#firstString + place + 1;
  }

  #string(offset: number): string {
    if (offset < this.#firstString) return this.#base?.stringAt(offset) ?? "";
    const start = this.#strings + offset - this.#firstString;
    const end = this.#bytes.indexOf(0, start);
    if (start >= this.#stringsEnd || end === -1 || end >= this.#stringsEnd) {
      throw this.#malformed("a name lies outside of its strings");
    }
    return this.#bytes.toString("latin1", start, end);
  }

  /** The string at an offset, for a BTF on top of this one. */
  stringAt(offset: number): string {
    return this.#string(offset);
  }

  #resolve(type: number): TypeAt {
    let id = type;
    for (let step = 0; step < LONGEST_CHAIN; step += 1) {
      const found = this.#typeAt(id);
      if (!TRANSPARENT.has(found.kind)) return found;
      id = found.btf.#bytes.readUInt32LE(found.at + 8);
    }
    throw this.#malformed("a type stands for itself");
  }

  #typeAt(id: number): TypeAt {
    if (id < this.#firstType && this.#base !== null) return this.#base.#typeAt(id);
    const at = this.#types[id - this.#firstType];
    if (at === undefined) throw this.#malformed(`it has no type ${id}`);
    return { btf: this, at, kind: (this.#bytes.readUInt32LE(at + 4) >>> 24) & 0x1f, id };
  }

  #malformed(problem: string): Error {
    return hugebarError("ERR_PROTOCOL", { action: `read the BTF of ${this.#name}`, problem });
  }
}

/** The same bytes as words of this machine's order, which is little-endian wherever hugebar runs. */
function wordsOf(bytes: Buffer): Uint32Array {
  return new Uint32Array(bytes.buffer, bytes.byteOffset, Math.floor(bytes.length / 4));
}
