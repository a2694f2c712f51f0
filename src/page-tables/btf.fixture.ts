/** Writes BTF, for tests. */

export interface WrittenMember {
  readonly name: string;
  readonly type: number;
  readonly bitOffset: number;
  readonly bitSize?: number;
}

/** Types are numbered in the order in which they are written, from `firstType` on. */
export class BtfWriter {
  readonly #types: Buffer[] = [];
  readonly #strings = new Map<string, number>([["", 0]]);
  #text = "\0";
  readonly #firstType: number;
  readonly #firstString: number;

  constructor(firstType = 1, firstString = 0) {
    this.#firstType = firstType;
    this.#firstString = firstString;
  }

  get count(): number {
    return this.#types.length;
  }

  get stringsLength(): number {
    return this.#text.length;
  }

  int(name: string, bytes: number): number {
    return this.#add(name, 1, 0, bytes, [bytes * 8]);
  }

  pointer(to: number): number {
    return this.#add("", 2, 0, to, []);
  }

  typedef(name: string, to: number): number {
    return this.#add(name, 8, 0, to, []);
  }

  array(of: number, count: number): number {
    return this.#add("", 3, 0, 0, [of, 1, count]);
  }

  struct(name: string, bytes: number, members: readonly WrittenMember[], kind = 4): number {
    const hasBits = members.some(({ bitSize }) => bitSize !== undefined);
    const words = members.flatMap((member) => [
      this.#name(member.name),
      member.type,
      hasBits ? ((member.bitSize ?? 0) << 24) | member.bitOffset : member.bitOffset,
    ]);
    return this.#add(name, kind, members.length | (hasBits ? 2 ** 31 : 0), bytes, words);
  }

  bytes(): Buffer {
    const types = Buffer.concat(this.#types);
    const strings = Buffer.from(this.#text, "latin1");
    const header = Buffer.alloc(24);
    header.writeUInt16LE(0xeb9f, 0);
    header.writeUInt8(1, 2);
    header.writeUInt32LE(24, 4);
    header.writeUInt32LE(types.length, 12);
    header.writeUInt32LE(types.length, 16);
    header.writeUInt32LE(strings.length, 20);
    return Buffer.concat([header, types, strings]);
  }

  #name(text: string): number {
    const known = this.#strings.get(text);
    if (known !== undefined) return known;
    const offset = this.#firstString + this.#text.length;
    this.#strings.set(text, offset);
    this.#text += `${text}\0`;
    return offset;
  }

  #add(name: string, kind: number, info: number, third: number, words: readonly number[]): number {
    const bytes = Buffer.alloc(12 + 4 * words.length);
    bytes.writeUInt32LE(this.#name(name), 0);
    bytes.writeUInt32LE((info | (kind << 24)) >>> 0, 4);
    bytes.writeUInt32LE(third, 8);
    for (const [index, word] of words.entries()) bytes.writeUInt32LE(word >>> 0, 12 + 4 * index);
    this.#types.push(bytes);
    return this.#firstType + this.#types.length - 1;
  }
}
