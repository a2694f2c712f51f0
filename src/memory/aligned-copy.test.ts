import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { copyFor, copyInAligned, copyOutAligned } from "./aligned-copy.ts";

const SIZE = 256;
const place = fc
  .tuple(fc.nat(SIZE), fc.nat(SIZE))
  .map(([one, other]) => ({ start: Math.min(one, other), length: Math.abs(one - other) }));

function bytesOf(
  start: number,
  length: number,
  fill: number,
): { all: Uint8Array<ArrayBuffer>; part: Uint8Array } {
  const all = Uint8Array.from({ length: SIZE }, (_, index) => (index + fill) % 251);
  return { all, part: new Uint8Array(all.buffer, start, length) };
}

/** Every access to the device that the copies make, `width` bytes at `offset`: what they copy in bulk does not show. */
function watched(run: () => void): { width: number; offset: number }[] {
  const accesses: { width: number; offset: number }[] = [];
  const note = (array: Uint8Array | BigUint64Array, index: number): void => {
    const width = array.BYTES_PER_ELEMENT;
    accesses.push({ width, offset: array.byteOffset + width * index });
  };
  const { load, store } = Atomics;
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- of the two kinds that are copied
  Atomics.load = ((array: Uint8Array, index: number) => (
    note(array, index),
    load(array, index)
  )) as typeof load;
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as above
  Atomics.store = ((array: Uint8Array, index: number, value: number) => (
    note(array, index),
    store(array, index, value)
  )) as typeof store;
  try {
    run();
  } finally {
    Object.assign(Atomics, { load, store });
  }
  return accesses;
}

describe("aligned copies", () => {
  for (const [name, copy] of [
    ["out", copyOutAligned],
    ["in", copyInAligned],
  ] as const) {
    it(`${name}: every byte once, by an access aligned to its width, wherever both begin`, () => {
      fc.assert(
        fc.property(place, fc.nat(7), ({ start, length }, shift) => {
          const device = bytesOf(start, length, 1);
          const own = { all: new Uint8Array(SIZE + 8), part: new Uint8Array(0) };
          own.part = new Uint8Array(own.all.buffer, shift, length);
          const [target, source] = name === "out" ? [own.part, device.part] : [device.part, own.part];
          const expected = Array.from(source);
          const before = Array.from(device.all);
          const accesses = watched(() => copy(target, source));
          assert.deepEqual(Array.from(target), expected);
          // Nothing beside it has changed.
          const beside = (index: number): boolean => index < start || index >= start + length;
          assert.ok(device.all.every((byte, index) => !beside(index) || byte === before[index]));
          const touched = accesses.flatMap(({ width, offset }) => {
            assert.equal(offset % width, 0);
            return Array.from({ length: width }, (_, byte) => offset + byte);
          });
          assert.deepEqual(
            touched,
            Array.from({ length }, (_, byte) => start + byte),
          );
        }),
      );
    });
  }

  it("are taken where device memory needs them", () => {
    assert.deepEqual(copyFor("arm64"), { out: copyOutAligned, in: copyInAligned });
    assert.notEqual(copyFor("x64").out, copyOutAligned);
  });
});
