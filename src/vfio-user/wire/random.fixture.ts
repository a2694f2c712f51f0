/** For fuzzing tests: numbers that look random and come again from the same seed. */

/** The seed of this run: HUGEBAR_FUZZ_SEED repeats a former one. */
export function fuzzSeed(): number {
  const given = process.env["HUGEBAR_FUZZ_SEED"];
  return given === undefined ? Math.floor(Math.random() * 2 ** 32) : Number(given);
}

export interface Random {
  /** A whole number from 0 to `below` − 1. */
  below(below: number): number;
  pick<Item>(items: readonly [Item, ...Item[]]): Item;
}

/** mulberry32, a generator of 32 bits of state. */
export function randomFrom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
  const below = (limit: number): number => next() % limit;
  return { below, pick: (items) => items[below(items.length)] ?? items[0] };
}

const NUMBERS = [0, 1, 15, 16, 17, 32, 0x7fff_ffff, 0x8000_0000, 0xffff_fff0, 0xffff_ffff] as const;

/** The message with up to 4 lies in it: bytes and words changed, cut short, made longer, said twice. */
export function mutate(message: Uint8Array, random: Random): Uint8Array {
  let bytes = Uint8Array.from(message);
  for (let lies = random.below(4) + 1; lies > 0; lies -= 1) {
    const view = new DataView(bytes.buffer);
    const words = Math.floor(bytes.length / 4);
    switch (random.below(6)) {
      case 0:
        if (bytes.length > 0) bytes[random.below(bytes.length)] = random.below(256);
        break;
      case 1:
        if (words > 0) view.setUint32(4 * random.below(words), random.pick(NUMBERS), true);
        break;
      case 2:
        if (words > 0) view.setUint32(4 * random.below(words), random.below(64), true);
        break;
      case 3:
        bytes = bytes.slice(0, random.below(bytes.length + 1));
        break;
      case 4:
        bytes = concat(bytes, new Uint8Array(random.below(64)).fill(random.below(256)));
        break;
      default:
        bytes = concat(bytes, message);
    }
  }
  return bytes;
}

function concat(left: Uint8Array, right: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(left.length + right.length);
  bytes.set(left);
  bytes.set(right, left.length);
  return bytes;
}
