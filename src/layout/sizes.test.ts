import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  checkSize,
  formatSize,
  GIB,
  isAligned,
  KIB,
  largestPowerOfTwoIn,
  MIB,
  nextPowerOfTwo,
  parseSize,
  pastMultiple,
  roundDown,
  roundUp,
} from "./sizes.ts";

const size = fc.oneof(
  fc.maxSafeNat(),
  fc.nat(70_000),
  fc.integer({ min: 0, max: 53 }).map((bits) => 2 ** bits - 1),
);

describe("nextPowerOfTwo", () => {
  it("agrees with doubling until it is enough", () => {
    const doubling = (n: number): number => {
      let power = 1;
      while (power < n) power *= 2;
      return power;
    };
    fc.assert(fc.property(size, (n) => nextPowerOfTwo(n) === doubling(n)));
    for (let bits = 0; bits <= 53; bits += 1) {
      for (const n of [2 ** bits - 1, 2 ** bits, 2 ** bits + 1])
        assert.equal(nextPowerOfTwo(n), doubling(n), `${n}`);
    }
  });
});

describe("largestPowerOfTwoIn", () => {
  it("agrees with halving while it divides", () => {
    const halving = (n: number): number => (n % 2 === 0 ? 2 * halving(n / 2) : 1);
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.nat(53), (n, bits) => {
        const shifted = Math.floor((n + 1) / 2 ** bits) * 2 ** bits;
        return shifted === 0 || largestPowerOfTwoIn(shifted) === halving(shifted);
      }),
    );
    for (let bits = 0; bits <= 53; bits += 1) assert.equal(largestPowerOfTwoIn(2 ** bits), 2 ** bits);
  });
});

describe("roundDown and roundUp", () => {
  const unit = fc.integer({ min: 0, max: 40 }).map((bits) => 2 ** bits);

  it("give the nearest multiples, for numbers and for addresses alike", () => {
    fc.assert(
      fc.property(fc.nat(2 ** 31 - 1), fc.nat(2 ** 20), unit, (high, low, unit) => {
        const n = high * 2 ** 20 + low;
        const down = roundDown(n, unit);
        const up = roundUp(n, unit);
        assert.ok(isAligned(down, unit) && isAligned(up, unit));
        assert.ok(down <= n && n <= up && n - down < unit && up - n < unit);
        assert.equal(BigInt(down), roundDown(BigInt(n), BigInt(unit)));
        assert.equal(BigInt(up), roundUp(BigInt(n), BigInt(unit)));
        assert.equal(isAligned(n, unit), isAligned(BigInt(n), BigInt(unit)));
        assert.equal(isAligned(n, unit), down === n);
      }),
    );
  });

  it("stay exact on pages past 2^53", () => {
    assert.equal(BigInt(roundUp(2 ** 53 - 4096, 2 ** 30) + 4096), 2n ** 53n + 4096n);
    assert.equal(roundUp(2n ** 64n - 1n, 4096n), 2n ** 64n);
  });
});

describe("pastMultiple", () => {
  it("is what is left above the multiple below, also below 0, for numbers and for addresses alike", () => {
    const units = fc.integer({ min: 0, max: 40 }).map((bits) => 2 ** bits);
    fc.assert(
      fc.property(fc.maxSafeInteger(), units, (n, unit) => {
        const past = pastMultiple(n, unit);
        assert.ok(past >= 0 && past < unit);
        assert.ok(isAligned(BigInt(n) - BigInt(past), BigInt(unit)));
        assert.equal(BigInt(past), pastMultiple(BigInt(n), BigInt(unit)));
      }),
    );
    assert.equal(pastMultiple(-4096, 2 ** 21), 2 ** 21 - 4096);
  });
});

describe("parseSize", () => {
  it("reads bytes, hexadecimal and binary suffixes", () => {
    const cases: [string, number][] = [
      ["0", 0],
      ["4096", 4096],
      ["0x2F00F00000", 0x2f00f00000],
      ["64K", 64 * KIB],
      ["2M", 2 * MIB],
      ["64G", 64 * GIB],
      ["4t", 4096 * GIB],
      ["7P", 7 * 2 ** 50],
      ["64 GiB", 64 * GIB],
      ["64GiB", 64 * GIB],
      ["100 B", 100],
      [" 1M ", MIB],
      ["9007199254740991", Number.MAX_SAFE_INTEGER],
    ];
    for (const [text, bytes] of cases) assert.equal(parseSize(text), bytes, text);
  });

  it("refuses everything else, saying what to give", () => {
    for (const text of [
      "",
      " ",
      "G",
      "-1",
      "+1",
      "1.5G",
      "1e3",
      "64GB",
      "64Q",
      "0x",
      "0xg",
      "-0x1",
      "1 2",
      "64G8",
      "٣",
    ]) {
      assert.throws(() => parseSize(text, "--size"), {
        code: "ERR_ARGUMENT",
        message: `Cannot use --size "${text}": give bytes (4096, 0x1000) or a whole number with a binary suffix (64K, 2M, 1G)`,
      });
    }
  });

  it("refuses what numbers cannot hold exactly", () => {
    for (const text of ["9007199254740992", "0x20000000000000", "8P", "99999999999999999999999T"]) {
      assert.throws(() => parseSize(text), {
        code: "ERR_ARGUMENT",
        message: `Cannot use size "${text}": it is larger than 2^53 − 1 bytes`,
      });
    }
  });
});

describe("formatSize", () => {
  it("uses the largest unit that loses nothing", () => {
    const cases: [number, string][] = [
      [0, "0 B"],
      [1, "1 B"],
      [1000, "1000 B"],
      [4 * KIB, "4 KiB"],
      [1536 * KIB, "1536 KiB"],
      [64 * GIB, "64 GiB"],
      [376 * MIB, "376 MiB"],
      [0x2f00f00000, "0x2f00f00000"],
      [10_000, "0x2710"],
      [4 * 2 ** 50, "4 PiB"],
      [Number.MAX_SAFE_INTEGER, "0x1fffffffffffff"],
    ];
    for (const [bytes, text] of cases) assert.equal(formatSize(bytes), text);
  });

  it("is read back by parseSize", () => {
    const round = fc.tuple(fc.nat(9999), fc.nat(3)).map(([count, unit]) => count * 1024 ** unit);
    fc.assert(fc.property(fc.oneof(size, round), (bytes) => parseSize(formatSize(bytes)) === bytes));
  });
});

describe("checkSize", () => {
  it("lets sizes through", () => {
    for (const n of [0, 1, Number.MAX_SAFE_INTEGER]) assert.equal(checkSize(n, "the size"), n);
  });

  it("refuses what is none", () => {
    for (const n of [-1, 0.5, 2 ** 53, NaN, Infinity, -Infinity]) {
      assert.throws(() => checkSize(n, "the size"), {
        code: "ERR_ARGUMENT",
        message: `Cannot use the size ${n}: it is not a whole number of bytes from 0 to 2^53 − 1`,
      });
    }
  });
});
