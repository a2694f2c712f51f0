import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { readTogether, type Reading } from "./assignment.ts";

const of = (device: string, region: number, offset = 0): Reading => ({ device, region, offset });

describe("readTogether", () => {
  it("leaves to a mapping only what others leave of a BAR", () => {
    // A GPU's BAR is filled, so that the smaller mapping of region 0 is the audio function's.
    const gpu = of("01:00.0", 0);
    const audio = of("01:00.1", 0);
    assert.deepEqual(
      readTogether([
        { size: 0x1000000, readings: [gpu] },
        { size: 0x4000, readings: [gpu, audio] },
      ]),
      [[gpu], [audio]],
    );
  });

  it("goes on from what it has found", () => {
    const [a, b, c] = [of("a", 0), of("b", 0), of("c", 0)];
    const puzzles = [
      { size: 64, readings: [a, b, c] },
      { size: 64, readings: [a, b] },
      { size: 64, readings: [a] },
    ];
    assert.deepEqual(readTogether(puzzles), [[c], [b], [a]]);
  });

  it("finds what no two mappings alone tell", () => {
    const [a, b, c] = [of("a", 0), of("b", 0), of("c", 0)];
    // Two mappings share two BARs, in either order: the third has what is left.
    const puzzles = [
      { size: 64, readings: [a, b] },
      { size: 64, readings: [a, b] },
      { size: 64, readings: [a, b, c] },
    ];
    assert.deepEqual(readTogether(puzzles), [[a, b], [a, b], [c]]);
  });

  it("lets parts of one region stand side by side", () => {
    const low = of("a", 0);
    const high = of("a", 0, 0x3000);
    assert.deepEqual(
      readTogether([
        { size: 0x2000, readings: [low, of("b", 0)] },
        { size: 0x1000, readings: [high] },
      ]),
      [[low, of("b", 0)], [high]],
    );
  });

  it("keeps all readings where the program maps a region twice", () => {
    const puzzles = [
      { size: 64, readings: [of("a", 0)] },
      { size: 64, readings: [of("a", 0)] },
    ];
    assert.deepEqual(readTogether(puzzles), [[of("a", 0)], [of("a", 0)]]);
  });

  it("takes no reading away that is part of the truth", () => {
    const device = fc.constantFrom("a", "b", "c");
    const mapped = fc.uniqueArray(fc.tuple(device, fc.integer({ min: 0, max: 1 })), {
      maxLength: 6,
      selector: ([name, region]) => `${name}${region}`,
    });
    fc.assert(
      fc.property(mapped, fc.infiniteStream(fc.boolean()), (truth, also) => {
        const puzzles = truth.map(([name, region]) => ({
          size: 4096,
          readings: ["a", "b", "c"]
            .filter((other) => other === name || also.next().value === true)
            .map((other) => of(other, region)),
        }));
        const read = readTogether(puzzles);
        for (const [index, [name, region]] of truth.entries()) {
          assert.ok(read[index]?.some((each) => each.device === name && each.region === region));
        }
      }),
    );
  });

  it("gives up on a machine that lies", () => {
    const readings = Array.from({ length: 24 }, (_, index) => of(String(index), 0));
    const puzzles = Array.from({ length: 25 }, () => ({ size: 64, readings }));
    assert.deepEqual(
      readTogether(puzzles),
      puzzles.map(() => readings),
    );
  });
});
