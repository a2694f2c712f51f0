import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { HugebarError } from "../../errors.ts";
import { decodeRegionInfo, encodeRegionInfo, mappableAreas, type RegionDescription } from "./region-info.ts";
import {
  VFIO_INFO_CAP_HEADER,
  VFIO_REGION_INFO,
  VFIO_REGION_INFO_CAP_SPARSE_MMAP,
  VFIO_REGION_INFO_FLAG_CAPS,
  VFIO_REGION_INFO_FLAG_MMAP,
  VFIO_REGION_INFO_FLAG_READ,
} from "./vfio-abi.ts";

const name = "2 of vfio-user:/run/gpu.sock";

const gb200: RegionDescription = {
  index: 2,
  size: 0x40_0000_0000,
  flags: VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_MMAP,
  fdOffset: 0x200_0000_0000,
  sparseAreas: [{ offset: 0, size: 0x2f_00f0_0000 }],
  msixMappable: false,
  type: null,
};

/** A vfio_region_info whose capability chain is these bytes, starting right behind the structure. */
function withChain(chain: Uint8Array, capOffset: number = VFIO_REGION_INFO.size): Uint8Array {
  const flags = VFIO_REGION_INFO_FLAG_CAPS | VFIO_REGION_INFO_FLAG_MMAP;
  const head = VFIO_REGION_INFO.encode({ argsz: 0, flags, index: 2, cap_offset: capOffset, size: 0x1000n });
  return Buffer.concat([head, chain]);
}

function header(id: number, next: number): Uint8Array {
  return VFIO_INFO_CAP_HEADER.encode({ id, version: 1, next });
}

function sparse(count: number, words: readonly bigint[] = []): Uint8Array {
  const body = new Uint8Array(8 + words.length * 8);
  new DataView(body.buffer).setUint32(0, count, true);
  words.forEach((word, at) => new DataView(body.buffer).setBigUint64(8 + at * 8, word, true));
  return Buffer.concat([header(VFIO_REGION_INFO_CAP_SPARSE_MMAP, 0), body]);
}

describe("region info", () => {
  it("decodes what it encoded", () => {
    const size = fc.nat(Number.MAX_SAFE_INTEGER);
    fc.assert(
      fc.property(
        fc.record({
          index: fc.nat(8),
          size,
          fdOffset: size,
          sparseAreas: fc.option(fc.array(fc.record({ offset: size, size }), { maxLength: 20 })),
          msixMappable: fc.boolean(),
          type: fc.option(fc.record({ type: fc.nat(), subtype: fc.nat() })),
        }),
        (shape) => {
          const decoded = decodeRegionInfo(encodeRegionInfo({ ...shape, flags: 7 }), name);
          const hasCapabilities = shape.sparseAreas !== null || shape.msixMappable || shape.type !== null;
          const flags = hasCapabilities ? 7 | VFIO_REGION_INFO_FLAG_CAPS : 7;
          assert.equal(JSON.stringify(decoded), JSON.stringify({ ...decoded, ...shape, flags }));
        },
      ),
    );
  });

  it("lays the sparse-mmap capability out as the kernel does", () => {
    const bytes = encodeRegionInfo(gb200);
    assert.equal(bytes.length, 32 + 16 + 16);
    assert.equal(VFIO_REGION_INFO.decode(bytes).argsz, 64);
    assert.deepEqual(VFIO_INFO_CAP_HEADER.decode(bytes, 32), { id: 1, version: 1, next: 0 });
  });

  it("takes the sparse areas, else the whole region, else nothing", () => {
    assert.deepEqual(mappableAreas(gb200), [{ offset: 0, size: 0x2f_00f0_0000 }]);
    assert.deepEqual(mappableAreas({ ...gb200, sparseAreas: null }), [{ offset: 0, size: gb200.size }]);
    assert.deepEqual(mappableAreas({ ...gb200, flags: VFIO_REGION_INFO_FLAG_READ }), []);
  });

  it("skips capabilities it does not know", () => {
    const unknown = header(0x4242, VFIO_REGION_INFO.size + 8);
    const bytes = withChain(Buffer.concat([unknown, sparse(1, [0n, 0x1000n])]));
    assert.deepEqual(decodeRegionInfo(bytes, name).sparseAreas, [{ offset: 0, size: 0x1000 }]);
  });

  for (const [what, bytes, message] of [
    ["a structure cut short", new Uint8Array(31), /31 bytes are too few/],
    ["a chain that loops", withChain(header(9, 32)), /chain loops at 0x20/],
    ["a capability outside", withChain(header(9, 0), 0xffff_fff0), /0xfffffff0 lies outside/],
    ["a header cut short", withChain(new Uint8Array(7)), /lies outside its 39 bytes/],
    ["a capability inside the structure", withChain(header(9, 0), 8), /lies inside the structure/],
    ["2^32 areas", withChain(sparse(0xffff_ffff)), /claims 4294967295 areas and has room for 0/],
    ["areas cut short", withChain(sparse(2, [0n, 1n, 2n])), /claims 2 areas and has room for 1/],
    ["an area beyond 2^53", withChain(sparse(1, [1n << 60n, 1n])), /area 0 \(0x1000000000000000\) exceeds/],
  ] as const) {
    it(`refuses ${what}`, () => {
      assert.throws(
        () => decodeRegionInfo(bytes, name),
        (error) =>
          error instanceof HugebarError && message.test(error.message) && error.message.includes(name),
      );
    });
  }

  it("survives any bytes: an answer or a HugebarError", () => {
    const whole = encodeRegionInfo({ ...gb200, msixMappable: true, type: { type: 1, subtype: 2 } });
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255))),
        fc.nat(whole.length),
        (edits, length) => {
          const bytes = Uint8Array.from(whole);
          for (const [at, value] of edits) bytes[at] = value;
          try {
            decodeRegionInfo(bytes.subarray(0, length), name);
          } catch (error) {
            assert(error instanceof HugebarError, String(error));
          }
        },
      ),
      { numRuns: 2000 },
    );
  });
});
