import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { MsixCapability } from "../../device/file/config-space.ts";
import type { Area } from "../../layout/areas.ts";
import { carveOut, msixPages } from "./msix-carve-out.ts";

const MSIX: MsixCapability = {
  offset: 0x40,
  vectors: 65,
  enabled: false,
  maskedAll: false,
  table: { bar: 0, offset: 0x2000, size: 65 * 16 },
  pba: { bar: 0, offset: 0x3000, size: 16 },
};

describe("msixPages", () => {
  it("rounds table and pending bits out to whole pages", () => {
    assert.deepEqual(msixPages(MSIX, 0, 4096), [
      { offset: 0x2000, size: 0x1000 },
      { offset: 0x3000, size: 0x1000 },
    ]);
    assert.deepEqual(msixPages(MSIX, 0, 65536), [
      { offset: 0, size: 0x10000 },
      { offset: 0, size: 0x10000 },
    ]);
  });

  it("concerns only the BARs they lie in", () => {
    assert.deepEqual(msixPages(MSIX, 1, 4096), []);
    const apart = { ...MSIX, pba: { bar: 4, offset: 0x800, size: 16 } };
    assert.deepEqual(msixPages(apart, 4, 4096), [{ offset: 0, size: 0x1000 }]);
  });
});

describe("carveOut", () => {
  it("leaves what is before and behind", () => {
    assert.deepEqual(carveOut([{ offset: 0, size: 0x4000 }], [{ offset: 0x2000, size: 0x1000 }]), [
      { offset: 0, size: 0x2000 },
      { offset: 0x3000, size: 0x1000 },
    ]);
  });

  it("leaves nothing of an area that the hole covers, and other areas alone", () => {
    const areas = [
      { offset: 0x2000, size: 0x1000 },
      { offset: 0x8000, size: 0x1000 },
    ];
    assert.deepEqual(carveOut(areas, [{ offset: 0x1000, size: 0x3000 }]), [areas[1]]);
  });

  it("keeps every byte outside the holes and none inside", () => {
    const area = fc
      .record({ offset: fc.nat(40), size: fc.integer({ min: 1, max: 20 }) })
      .map(({ offset, size }): Area => ({ offset, size }));
    const bytesOf = (areas: readonly Area[]): Set<number> =>
      new Set(areas.flatMap(({ offset, size }) => Array.from({ length: size }, (_, byte) => offset + byte)));
    fc.assert(
      fc.property(fc.array(area, { maxLength: 4 }), fc.array(area, { maxLength: 3 }), (areas, holes) => {
        const inHoles = bytesOf(holes);
        const wanted = [...bytesOf(areas)].filter((byte) => !inHoles.has(byte));
        assert.deepEqual(bytesOf(carveOut(areas, holes)), new Set(wanted));
      }),
    );
  });
});
