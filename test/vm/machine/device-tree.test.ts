import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { withNodes } from "./device-tree.ts";

const text = (value: string): number[] => {
  const bytes = [...Buffer.from(`${value}\0`)];
  while (bytes.length % 4 !== 0) bytes.push(0);
  return bytes;
};
const cell = (value: number): number[] => [
  value >>> 24,
  (value >>> 16) & 255,
  (value >>> 8) & 255,
  value & 255,
];
const STRINGS = [...Buffer.from("reg\0")];

/** `/ { pcie@1 { reg = <5>; }; memory { }; }`, its blocks in one order or the other. */
function tree(stringsFirst: boolean): Buffer {
  const structure = [
    [cell(1), text("")],
    [cell(1), text("pcie@1"), cell(3), cell(4), cell(0), cell(5), cell(2)],
    [cell(4), cell(1), text("memory"), cell(2)],
    [cell(2), cell(9)],
  ].flat(2);
  const reserved = new Array<number>(16).fill(0);
  const start = 40 + reserved.length;
  const at = stringsFirst
    ? { strings: start, structure: start + STRINGS.length }
    : { structure: start, strings: start + structure.length };
  const total = start + structure.length + STRINGS.length;
  return Buffer.from([
    ...[0xd00dfeed, total, at.structure, at.strings, 40, 17, 16, 0, STRINGS.length, structure.length].flatMap(
      cell,
    ),
    ...reserved,
    ...(stringsFirst ? [...STRINGS, ...structure] : [...structure, ...STRINGS]),
  ]);
}

describe("withNodes", () => {
  for (const stringsFirst of [true, false]) {
    it(`adds nodes as the last ones, ${stringsFirst ? "strings" : "structure"} first`, () => {
      const node = { name: "gpu@18,0", properties: { reg: [0xc000, 0], "nvidia,size": [0x2f, 0xf00000] } };
      const grown = Buffer.from(withNodes(tree(stringsFirst), "pcie@1", [node]));
      assert.equal(grown.readUInt32BE(4), grown.length);
      const structure = grown.subarray(grown.readUInt32BE(8)).subarray(0, grown.readUInt32BE(36));
      const strings = grown.subarray(grown.readUInt32BE(12)).subarray(0, grown.readUInt32BE(32));
      assert.deepEqual(strings.toString().split("\0"), ["reg", "reg", "nvidia,size", ""]);
      assert.deepEqual(
        [...structure],
        [
          [cell(1), text("")],
          [cell(1), text("pcie@1"), cell(3), cell(4), cell(0), cell(5)],
          [cell(1), text("gpu@18,0")],
          [cell(3), cell(8), cell(4), cell(0xc000), cell(0)],
          [cell(3), cell(8), cell(8), cell(0x2f), cell(0xf00000)],
          [cell(2), cell(2)],
          [cell(4), cell(1), text("memory"), cell(2)],
          [cell(2), cell(9)],
        ].flat(2),
      );
    });
  }

  it("refuses what is no tree, and a node that is not there", () => {
    assert.throws(() => withNodes(new Uint8Array(40), "pcie@1", []), /no device tree/);
    assert.throws(() => withNodes(new Uint8Array(3), "pcie@1", []), /no device tree/);
    assert.throws(() => withNodes(tree(true), "pcie@2", []), /has no node pcie@2/);
  });
});
