import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { mappedStrip } from "./mapped-strip.ts";

const strip = { name: "now", about: "", mapped: true };
const cost = { leaves: [], faults: 0, pageTableBytes: 0 };
const pieces = [
  { offset: 0, size: 0x2000, address: 0n },
  { offset: 0x2000, size: 0x1000, address: 0x2000n },
  { offset: 0x8000, size: 0x4000, address: 0x8000n },
];

describe("mappedStrip", () => {
  it("puts the leaves of each piece where it lies", () => {
    const spans = pieces.map(({ size }) => [{ offset: 0, size, leaf: 0x1000 }]);
    assert.deepEqual(mappedStrip(strip, pieces, { ...cost, spans }).spans, [
      { offset: 0, size: 0x2000, leaf: 0x1000 },
      { offset: 0x2000, size: 0x1000, leaf: 0x1000 },
      { offset: 0x8000, size: 0x4000, leaf: 0x1000 },
    ]);
  });

  it("follows a list that goes over several pieces", () => {
    const spans = [
      [
        { offset: 0, size: 0x1000, leaf: 0x1000 },
        { offset: 0x1000, size: 0x2000, leaf: 0x1000 },
      ],
      [{ offset: 0, size: 0x4000, leaf: 0x4000 }],
    ];
    assert.deepEqual(mappedStrip(strip, pieces, { ...cost, spans }).spans, [
      { offset: 0, size: 0x1000, leaf: 0x1000 },
      { offset: 0x1000, size: 0x2000, leaf: 0x1000 },
      { offset: 0x8000, size: 0x4000, leaf: 0x4000 },
    ]);
  });
});
