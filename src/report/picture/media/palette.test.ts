import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DARK, LIGHT, PAPER, type Palette } from "./palette.ts";

type Triple = readonly [number, number, number];

/**
 * What those see who lack one kind of cone: Machado, Oliveira and Fernandes, "A Physiologically-based Model for Simulation
 * of Color Vision Deficiency", IEEE TVCG 15(6), 2009, table 1, severity 1.0; for linear RGB.
 */
const VISIONS: Readonly<Record<string, readonly [Triple, Triple, Triple]>> = {
  usual: [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ],
  protanopia: [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
  ],
  deuteranopia: [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.01182, 0.04294, 0.968881],
  ],
  tritanopia: [
    [1.255528, -0.076749, -0.178779],
    [-0.078411, 0.930809, 0.147602],
    [0.004733, 0.691367, 0.3039],
  ],
};

function dot([a, b, c]: Triple, [x, y, z]: Triple): number {
  return a * x + b * y + c * z;
}

/** sRGB as light: WCAG 2.2, "relative luminance". */
function linear(colour: string): Triple {
  assert.match(colour, /^#[0-9a-f]{6}$/);
  const part = (from: number): number => {
    const share = Number.parseInt(colour.slice(from, from + 2), 16) / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  };
  return [part(1), part(3), part(5)];
}

function seenBy(vision: string, colour: string): Triple {
  const rows = VISIONS[vision] ?? assert.fail(vision);
  const light = linear(colour);
  const clamped = (row: Triple): number => Math.min(1, Math.max(0, dot(row, light)));
  return [clamped(rows[0]), clamped(rows[1]), clamped(rows[2])];
}

/** WCAG 2.2, "contrast ratio". */
function contrast(vision: string, one: string, other: string): number {
  const [low = 0, high = 0] = [one, other]
    .map((colour) => dot([0.2126, 0.7152, 0.0722], seenBy(vision, colour)))
    .sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}

/** The distance in CIE L*a*b* (CIE 15, ΔE*ab): 2.3 is just noticeable. */
function difference(vision: string, one: string, other: string): number {
  const [first, second] = [one, other].map((colour) => {
    const light = seenBy(vision, colour);
    const root = (share: number): number =>
      share > 216 / 24389 ? Math.cbrt(share) : (24389 / 27 / 116) * share + 16 / 116;
    const x = root(dot([0.4124, 0.3576, 0.1805], light) / 0.9505);
    const y = root(dot([0.2126, 0.7152, 0.0722], light));
    const z = root(dot([0.0193, 0.1192, 0.9505], light) / 1.089);
    return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
  });
  return Math.hypot(...(first ?? []).map((value, index) => value - (second?.[index] ?? 0)));
}

const PALETTES: Readonly<Record<string, Palette>> = { light: LIGHT, dark: DARK, paper: PAPER };

for (const [name, palette] of Object.entries(PALETTES)) {
  for (const vision of Object.keys(VISIONS)) {
    describe(`the ${name} palette, seen with ${vision} vision`, () => {
      it("sets off what carries meaning by 3 to 1", () => {
        const { surface, raised, rule, quiet, edge, pud, pmd, pte, alarm, accent } = palette;
        for (const colour of [edge, pud, pmd, pte, alarm, accent]) {
          // Boundaries, seams and grains are of the surface's colour, on those of leaves.
          assert.ok(contrast(vision, colour, surface) >= 3, `${colour} on ${surface}`);
          assert.ok(contrast(vision, colour, raised) >= 3, `${colour} on ${raised}`);
        }
        // The overview's thumb on its track.
        assert.ok(contrast(vision, quiet, rule) >= 3, `${quiet} on ${rule}`);
      });

      it("sets off text by 4.5 to 1", () => {
        for (const colour of [palette.ink, palette.quiet, palette.alarm, palette.accent]) {
          for (const ground of [palette.surface, palette.raised]) {
            assert.ok(contrast(vision, colour, ground) >= 4.5, `${colour} on ${ground}`);
          }
        }
      });

      it("has leaves of different sizes in colours that differ, besides their grain", () => {
        const { pud, pmd, pte } = palette;
        for (const [one, other] of [
          [pud, pmd],
          [pmd, pte],
          [pud, pte],
        ] as const) {
          assert.ok(difference(vision, one, other) >= 15, `${one} and ${other}`);
        }
      });
    });
  }
}

describe("what the palettes are held to", () => {
  it("is measured as WCAG does", () => {
    assert.equal(contrast("usual", "#000000", "#ffffff").toFixed(2), "21.00");
    // The grey that is known to miss 4.5 on white by a hair, and the next darker one.
    assert.equal(contrast("usual", "#777777", "#ffffff").toFixed(2), "4.48");
    assert.equal(contrast("usual", "#767676", "#ffffff").toFixed(2), "4.54");
  });

  it("takes red and green for alike where they are", () => {
    const [red, green] = ["#b04a2f", "#6f6b22"];
    assert.ok(difference("usual", red, green) > 2 * difference("deuteranopia", red, green));
  });
});
