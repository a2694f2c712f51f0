import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { arrangeAreas, gapsOf, type Area } from "./areas.ts";

const PAGE = 0x1000;
const MAX = Number.MAX_SAFE_INTEGER;

/** Areas in order, without overlaps, some touching, and a region that holds them. */
const shape = fc
  .tuple(fc.array(fc.tuple(fc.nat(3), fc.integer({ min: 1, max: 5 })), { maxLength: 20 }), fc.nat(3))
  .map(([steps, tail]) => {
    let end = 0;
    const areas = steps.map(([gap, pages]): Area => {
      const offset = end + gap * PAGE;
      end = offset + pages * PAGE;
      return { offset, size: pages * PAGE };
    });
    return { size: end + tail * PAGE, areas };
  });

function refuses(regionSize: number, areas: readonly Area[], problem: string): void {
  assert.throws(() => arrangeAreas(regionSize, areas, PAGE, "2 of vfio-user:/x"), {
    code: "ERR_REGION_LAYOUT",
    message: `Cannot map region 2 of vfio-user:/x: ${problem}`,
  });
}

describe("arrangeAreas", () => {
  it("gives the same result whatever the order, empty areas dropped", () => {
    const shuffled = shape.chain(({ size, areas }) => {
      const empty = [
        { offset: 0, size: 0 },
        { offset: size, size: 0 },
        { offset: 1, size: 0 },
      ];
      const all = [...areas, ...empty];
      return fc.record({
        size: fc.constant(size),
        areas: fc.constant(areas),
        given: fc.shuffledSubarray(all, { minLength: all.length }),
      });
    });
    fc.assert(
      fc.property(shuffled, ({ size, areas, given }) => {
        const before = structuredClone(given);
        assert.deepEqual(arrangeAreas(size, given, PAGE), areas);
        assert.deepEqual(given, before, "what the caller gave stays as it was");
      }),
    );
  });

  it("keeps areas that touch apart", () => {
    const areas = [
      { offset: 0, size: PAGE },
      { offset: PAGE, size: PAGE },
    ];
    assert.deepEqual(arrangeAreas(2 * PAGE, areas, PAGE), areas);
  });

  it("takes the largest region, and none at all", () => {
    const last = { offset: 2 ** 53 - 2 * PAGE, size: PAGE };
    assert.deepEqual(arrangeAreas(MAX, [last], PAGE), [last]);
    assert.deepEqual(arrangeAreas(0, [], PAGE), []);
    assert.deepEqual(arrangeAreas(0, [{ offset: 0, size: 0 }], PAGE), []);
    assert.deepEqual(arrangeAreas(1, [], PAGE), []);
  });

  it("takes a thousand areas", () => {
    const areas = Array.from({ length: 1000 }, (_, i) => ({ offset: 2 * i * PAGE, size: PAGE }));
    assert.deepEqual(arrangeAreas(2000 * PAGE, areas.toReversed(), PAGE), areas);
  });

  it("refuses a region whose size is no size", () => {
    for (const [size, text] of [
      [2 ** 53, "0x20000000000000"],
      [-1, "-1"],
      [0.5, "0.5"],
      [NaN, "NaN"],
      [Infinity, "Infinity"],
    ] as const) {
      refuses(size, [], `its size (${text}) is not a whole number of bytes from 0 to 2^53 − 1`);
    }
  });

  it("refuses an area whose numbers are no sizes, an empty one too", () => {
    for (const [n, text] of [
      [2 ** 53, "0x20000000000000"],
      [-PAGE, "-4096"],
      [0.5, "0.5"],
      [NaN, "NaN"],
      [-Infinity, "-Infinity"],
    ] as const) {
      const problem = `is not a whole number of bytes from 0 to 2^53 − 1`;
      refuses(PAGE, [{ offset: n, size: 0 }], `area 0 (${text}+0x0) has an offset that ${problem}`);
      refuses(PAGE, [{ offset: 0, size: n }], `area 0 (0x0+${text}) has a size that ${problem}`);
    }
  });

  it("refuses an area that wraps past 2^53 − 1", () => {
    const wraps = { offset: 2 ** 53 - PAGE, size: PAGE };
    refuses(MAX, [wraps], "area 0 (0x1ffffffffff000+0x1000) wraps: it ends past 2^53 − 1");
    refuses(
      MAX,
      [{ offset: PAGE, size: MAX }],
      "area 0 (0x1000+0x1fffffffffffff) wraps: it ends past 2^53 − 1",
    );
  });

  it("refuses an area outside the region", () => {
    const inside = { offset: 0, size: PAGE };
    refuses(
      0x100000,
      [inside, { offset: 0x200000, size: PAGE }],
      "area 1 (0x200000+0x1000) lies outside the region (0x100000)",
    );
    refuses(PAGE, [{ offset: 0, size: 2 * PAGE }], "area 0 (0x0+0x2000) lies outside the region (0x1000)");
    refuses(0, [inside], "area 0 (0x0+0x1000) lies outside the region (0x0)");
    refuses(1, [inside], "area 0 (0x0+0x1000) lies outside the region (0x1)");
  });

  it("refuses an area off a page boundary", () => {
    const problem = "does not start and end on a page (4 KiB)";
    refuses(0x100000, [{ offset: 0x800, size: PAGE }], `area 0 (0x800+0x1000) ${problem}`);
    refuses(0x100000, [{ offset: PAGE, size: 0x1001 }], `area 0 (0x1000+0x1001) ${problem}`);
    refuses(1, [{ offset: 0, size: 1 }], `area 0 (0x0+0x1) ${problem}`);
    assert.throws(() => arrangeAreas(0x100000, [{ offset: PAGE, size: PAGE }], 0x10000), {
      code: "ERR_REGION_LAYOUT",
    });
  });

  it("refuses areas that overlap, naming both as they were given", () => {
    refuses(
      0x10000,
      [
        { offset: 0x3000, size: 0x2000 },
        { offset: 0x8000, size: PAGE },
        { offset: 0, size: 0x4000 },
      ],
      "area 0 (0x3000+0x2000) overlaps area 2 (0x0+0x4000)",
    );
    refuses(
      0x10000,
      [
        { offset: PAGE, size: PAGE },
        { offset: PAGE, size: PAGE },
      ],
      "area 1 (0x1000+0x1000) overlaps area 0 (0x1000+0x1000)",
    );
    refuses(
      0x10000,
      [
        { offset: 0, size: 0x10000 },
        { offset: PAGE, size: PAGE },
        { offset: 0x4000, size: PAGE },
      ],
      "area 1 (0x1000+0x1000) overlaps area 0 (0x0+0x10000)",
    );
  });

  it("refuses any overlap, wherever it is", () => {
    const overlapping = shape
      .filter(({ areas }) => areas.length > 0)
      .chain(({ size, areas }) =>
        fc.record({ size: fc.constant(size), areas: fc.constant(areas), twice: fc.constantFrom(...areas) }),
      );
    fc.assert(
      fc.property(overlapping, ({ size, areas, twice }) => {
        const page = { offset: twice.offset + twice.size - PAGE, size: PAGE };
        assert.throws(() => arrangeAreas(size, [page, ...areas], PAGE), { code: "ERR_REGION_LAYOUT" });
      }),
    );
  });
});

describe("gapsOf", () => {
  it("gives what no area covers: together they make up the region", () => {
    fc.assert(
      fc.property(shape, ({ size, areas }) => {
        const parts = [...areas, ...gapsOf(size, areas)].sort((a, b) => a.offset - b.offset);
        let end = 0;
        for (const part of parts) {
          assert.equal(part.offset, end);
          assert.ok(part.size > 0);
          end += part.size;
        }
        assert.equal(end, size);
      }),
    );
  });

  it("joins nothing that is covered, and is the whole region where nothing is", () => {
    assert.deepEqual(gapsOf(PAGE, []), [{ offset: 0, size: PAGE }]);
    assert.deepEqual(gapsOf(0, []), []);
    assert.deepEqual(
      gapsOf(2 * PAGE, [
        { offset: 0, size: PAGE },
        { offset: PAGE, size: PAGE },
      ]),
      [],
    );
  });
});
