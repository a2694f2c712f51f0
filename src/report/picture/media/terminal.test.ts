import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { stripVTControlCharacters } from "node:util";
import { pagingModels } from "../../../layout/paging.ts";
import { drawRegion } from "../drawing/drawing.ts";
import { testRegion, testStrip } from "../drawing/strip.fixture.ts";
import { renderTerminal } from "./terminal.ts";

const MIB = 2 ** 20;
const GIB = 2 ** 30;

const drawing = drawRegion(
  testRegion(256 * GIB),
  [
    testStrip("none", [{ offset: 0, size: 0x2f00f00000, leaf: 4096 }]),
    testStrip("region", [
      { offset: 0, size: 188 * GIB, leaf: GIB },
      { offset: 188 * GIB, size: 14 * MIB, leaf: 2 * MIB },
      { offset: 188 * GIB + 14 * MIB, size: MIB, leaf: 4096 },
    ]),
  ],
  pagingModels["x86-64"],
);

describe("renderTerminal", () => {
  it("draws strips, axis and legend", () => {
    assert.equal(
      renderTerminal(drawing, { width: 70, colour: false }),
      [
        "none    ░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░···········  49,286,912 faults",
        "region  ██████████████████████████████▓░···········  451 faults",
        "        0                                   256 GiB",
        "        █ 1 GiB leaves   ▓ 2 MiB leaves   ░ 4 KiB leaves   · gap",
        "",
      ].join("\n"),
    );
  });

  it("fits any width from 40 columns up", () => {
    for (let width = 40; width <= 300; width += 1) {
      for (const line of renderTerminal(drawing, { width, colour: false }).split("\n")) {
        assert.ok(line.length <= width, `${width}: ${line}`);
      }
    }
  });

  it("says the same with and without colour", () => {
    const plain = renderTerminal(drawing, { width: 80, colour: false });
    const coloured = renderTerminal(drawing, { width: 80, colour: true });
    assert.notEqual(coloured, plain);
    assert.equal(stripVTControlCharacters(coloured), plain);
  });
});
