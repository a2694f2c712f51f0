import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { PERF_EVENT_ATTR, readRing } from "./perf-event.ts";

const PAGE = 4096;

/** The ring as the kernel fills it: records of any type, a place where it begins, and what was read before. */
function ringOf(records: readonly { type: number; words: readonly bigint[] }[], start: bigint): ArrayBuffer {
  const ring = new ArrayBuffer(2 * PAGE);
  const view = new DataView(ring);
  let head = start;
  const put = (word: bigint): void => {
    view.setBigUint64(PAGE + Number(head % BigInt(PAGE)), word, true);
    head += 8n;
  };
  for (const { type, words } of records) {
    put(BigInt(type) | (BigInt(8 + 8 * words.length) << 48n));
    for (const word of words) put(word);
  }
  view.setBigUint64(1024, head, true);
  view.setBigUint64(1032, start, true);
  return ring;
}

describe("readRing", () => {
  it("gives the addresses of samples, tells of losses, and skips the rest, wherever the ring wraps", () => {
    const record = fc.record({
      type: fc.constantFrom(2, 5, 9),
      words: fc.array(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), { minLength: 1, maxLength: 4 }),
    });
    const start = fc.bigInt({ min: 0n, max: 2n ** 40n }).map((word) => 8n * word);
    fc.assert(
      fc.property(fc.array(record, { maxLength: 100 }), start, (records, from) => {
        const ring = ringOf(records, from);
        const { addresses, lost } = readRing(ring, PAGE);
        assert.deepEqual(
          addresses,
          records.filter(({ type }) => type === 9).map(({ words }) => words[0]),
        );
        assert.equal(
          lost,
          records.some(({ type }) => type === 2),
        );
        assert.deepEqual(readRing(ring, PAGE), { addresses: [], lost: false });
      }),
    );
  });

  it("ends at a record that is no record", () => {
    const ring = ringOf([{ type: 9, words: [7n] }], 0n);
    new DataView(ring).setUint16(PAGE + 6, 0, true);
    new DataView(ring).setBigUint64(1024, 4096n, true);
    assert.equal(readRing(ring, PAGE).lost, true);
    assert.deepEqual(readRing(ring, PAGE), { addresses: [], lost: false });
  });

  it("has the first version of the attributes", () => {
    assert.equal(PERF_EVENT_ATTR.size, 64);
    assert.deepEqual([PERF_EVENT_ATTR.offsets.sample_period, PERF_EVENT_ATTR.offsets.flags], [16, 40]);
  });
});
