import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { decodeNumbers, encodeNumbers } from "./number-text.ts";

const number = fc.oneof(fc.nat({ max: 40 }), fc.maxSafeNat());
/** Lists in which blocks repeat, as areas do, between what does not. */
const list = fc
  .array(
    fc
      .tuple(fc.array(number, { minLength: 1, maxLength: 9 }), fc.integer({ min: 1, max: 12 }))
      .map(([block, times]) => Array.from({ length: times }, () => block).flat()),
    { maxLength: 8 },
  )
  .map((lists) => lists.flat());

describe("numbers as text", () => {
  it("come back as they were", () => {
    fc.assert(
      fc.property(list, (numbers) => {
        const text = encodeNumbers(numbers);
        assert.match(text, /^[\w-]*$/);
        assert.deepEqual(decodeNumbers(text), numbers);
      }),
    );
  });

  it("are short where they repeat, and never much longer than they are", () => {
    const areas = Array.from({ length: 100_000 }, () => [8, 0, 512, 7, 3]).flat();
    assert.ok(encodeNumbers(areas).length < 20);
    fc.assert(
      fc.property(list, (numbers) => {
        const alone = numbers.map((n) => encodeNumbers([n]).length - 2);
        const sum = alone.reduce((total, each) => total + each, 0);
        assert.ok(encodeNumbers(numbers).length <= sum + 8 + numbers.length, String(numbers));
      }),
    );
  });

  it("refuse what is none", () => {
    for (const text of ["A", "CB", "CBA", "BB ", "$", "g"]) {
      assert.throws(() => decodeNumbers(text), RangeError, text);
    }
  });
});
