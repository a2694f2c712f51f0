import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { walkFaults } from "../../test/support/fault-walk.ts";
import { countLeaves, faultsOf, leafSpans, type LeafSpan, type MappedRange } from "./leaves.ts";
import { pageTableBytes } from "./page-tables.ts";
import { leafSizes, pagingModels, type PagingModel } from "./paging.ts";
import { GIB, KIB, MIB } from "./sizes.ts";

/** The leaves that the slow walk found, neighbours of one size merged, as `leafSpans` gives them. */
function walkedSpans(vma: MappedRange, model: PagingModel, largestLeaf?: number): LeafSpan[] {
  const { address: start, size, physical } = vma;
  const limit = largestLeaf === undefined ? {} : { largestLeaf };
  const [leaves = []] = walkFaults([{ start, end: start + BigInt(size), physical, ...limit }], model).leaves;
  const spans: LeafSpan[] = [];
  for (const leaf of leaves) {
    const last = spans.at(-1);
    if (last?.leaf === leaf.size) spans.splice(-1, 1, { ...last, size: last.size + leaf.size });
    else spans.push({ offset: Number(leaf.address - start), size: leaf.size, leaf: leaf.size });
  }
  return spans;
}

/**
 * Mappings that start and end off every boundary, congruent modulo each leaf size and none; large where large leaves
 * keep the walk short.
 */
function mappings(model: PagingModel): fc.Arbitrary<MappedRange> {
  const { pageSize, pmdSize, pudSize } = model;
  const pages = pmdSize / pageSize;
  const [largest = pageSize] = leafSizes(model);
  const pagesOver = fc.nat(2 * pages).map((count) => count * pageSize);
  const around = (unit: number, most: number): fc.Arbitrary<number> =>
    fc
      .tuple(fc.nat(most), fc.integer({ min: -3, max: 3 }))
      .map(([count, over]) => Math.max(count * unit + over * pageSize, pageSize));
  const shape = (congruentTo: number): fc.Arbitrary<{ size: number; shift: number }> =>
    fc.record({
      size: fc.oneof(
        around(pageSize, 2 * pages),
        around(pmdSize, congruentTo >= pmdSize ? 600 : 2),
        around(pudSize, congruentTo >= largest && model.pudLeaf ? 5 : 0),
      ),
      shift: fc.nat(1000).map((count) => count * congruentTo),
    });
  return fc
    .record({
      block: fc.bigInt({ min: 0n, max: 0x7fffn }),
      over: fc.oneof(pagesOver, around(pmdSize, 600), fc.constant(0)),
      shape: fc.constantFrom(pageSize, pmdSize, largest).chain(shape),
    })
    .map(({ block, over, shape }) => {
      const address = block * BigInt(pudSize) + BigInt(over);
      return { address, size: shape.size, physical: address + BigInt(shape.shift) };
    });
}

describe("leafSpans", () => {
  for (const model of Object.values(pagingModels)) {
    it(`agrees with a walk of the kernel's fault rule on ${model.name}`, () => {
      fc.assert(
        fc.property(mappings(model), (vma) => {
          assert.deepEqual(leafSpans(vma, model), walkedSpans(vma, model));
        }),
        { numRuns: 300 },
      );
    });

    it(`agrees with it on ${model.name} when larger leaves are ruled out`, () => {
      const limit = fc.constantFrom(...leafSizes(model), MIB, 64 * MIB, model.pageSize - 1);
      fc.assert(
        fc.property(mappings(model), limit, (vma, largestLeaf) => {
          // Without large leaves, a large mapping is a long walk of pages: its first two blocks will do.
          const short = { ...vma, size: Math.min(vma.size, 2 * model.pmdSize) };
          assert.deepEqual(leafSpans(short, model, { largestLeaf }), walkedSpans(short, model, largestLeaf));
        }),
      );
    });
  }

  it("agrees with it for every start, size and physical start on a machine small enough to try them all", () => {
    for (const pudLeaf of [true, false]) {
      const tiny = { ...pagingModels["x86-64"], pageSize: 1, pmdSize: 4, pudSize: 16, pudLeaf };
      for (let start = 0; start < 16; start += 1) {
        for (let physical = 0; physical < 16; physical += 1) {
          for (let size = 1; size <= 40; size += 1) {
            const vma = { address: BigInt(start), size, physical: BigInt(physical) };
            const spans = leafSpans(vma, tiny);
            assert.deepEqual(spans, walkedSpans(vma, tiny), `${start}+${size} at ${physical}`);
            const walked = walkFaults(
              [{ start: vma.address, end: vma.address + BigInt(size), physical: vma.physical }],
              tiny,
            );
            assert.equal(faultsOf(countLeaves(spans)), walked.faults);
            assert.equal(pageTableBytes([{ address: vma.address, spans }], tiny), walked.pageTableBytes);
          }
        }
      }
    }
  });

  it("holds whatever the order of the first touches", () => {
    const small = { ...pagingModels["x86-64"], pmdSize: 8 * 4096, pudSize: 64 * 4096 };
    const vma = fc.record({
      address: fc.bigInt({ min: 0n, max: 200n }).map((page) => page * 4096n),
      size: fc.integer({ min: 1, max: 200 }).map((pages) => pages * 4096),
      physical: fc.bigInt({ min: 0n, max: 200n }).map((page) => page * 4096n),
    });
    fc.assert(
      fc.property(vma, fc.array(fc.nat(), { minLength: 200, maxLength: 200 }), (vma, keys) => {
        const shuffle = (pages: bigint[]): bigint[] =>
          pages
            .map((page, index) => ({ page, key: keys[index] ?? 0 }))
            .sort((a, b) => a.key - b.key)
            .map(({ page }) => page);
        const region = { start: vma.address, end: vma.address + BigInt(vma.size), physical: vma.physical };
        const walked = walkFaults([region], small, shuffle);
        const spans = leafSpans(vma, small);
        assert.equal(walked.faults, faultsOf(countLeaves(spans)));
        assert.equal(walked.pageTableBytes, pageTableBytes([{ address: vma.address, spans }], small));
      }),
    );
  });

  it("covers the mapping without a gap, in at most five spans, however large", () => {
    const anywhere = fc.record({
      address: fc.bigInt({ min: 0n, max: 2n ** 44n }).map((page) => page * 65536n),
      size: fc.maxSafeNat().map((n) => n - (n % 65536)),
      physical: fc.bigInt({ min: 0n, max: 2n ** 48n }).map((page) => page * 65536n),
    });
    fc.assert(
      fc.property(anywhere, fc.constantFrom(...Object.values(pagingModels)), (vma, model) => {
        const spans = leafSpans(vma, model);
        assert.ok(spans.length <= 5);
        let end = 0;
        for (const { offset, size, leaf } of spans) {
          assert.equal(offset, end);
          assert.equal(size % leaf, 0);
          assert.equal((vma.address + BigInt(offset)) % BigInt(leaf), 0n);
          assert.equal((vma.physical + BigInt(offset)) % BigInt(leaf), 0n);
          end += size;
        }
        assert.equal(end, vma.size);
      }),
    );
  });

  it("takes the page that a physical address lies in, as the kernel's shift does", () => {
    const model = pagingModels["x86-64"];
    const vma = { address: 0x20_0000n, size: 2 * MIB, physical: 0x20_0000n };
    assert.deepEqual(leafSpans({ ...vma, physical: 0x20_0800n }, model), leafSpans(vma, model));
  });

  it("has nothing for an empty mapping", () => {
    assert.deepEqual(leafSpans({ address: 4096n, size: 0, physical: 0n }, pagingModels["x86-64"]), []);
  });

  it("refuses a mapping off a page boundary", () => {
    for (const [address, size] of [
      [0x1000n, 0x10000],
      [0x10000n, 0x1000],
    ] as const) {
      assert.throws(() => leafSpans({ address, size, physical: 0n }, pagingModels["arm64-64k"]), {
        code: "ERR_ARGUMENT",
        message: `Cannot use the mapping 0x${address.toString(16)}+0x${size.toString(16)}: it does not start and end on a page (64 KiB on arm64-64k)`,
      });
    }
  });
});

describe("the two mappings that the patch quotes, on a kernel with 64 KiB pages", () => {
  const model = pagingModels["arm64-64k"];
  const vma = (start: bigint, end: bigint): MappedRange => ({
    address: start,
    size: Number(end - start),
    physical: 0x4000_0000_0000n,
  });

  it("before: 0x1f000000 past a boundary, 3,080,432 × 64 KiB", () => {
    const before = vma(0xff88_ff00_0000n, 0xffb7_fff0_0000n);
    const counts = countLeaves(leafSpans(before, model));
    assert.deepEqual(counts, [{ size: 64 * KIB, count: 3_080_432 }]);
    assert.equal(faultsOf(counts), 3_080_432);
    // 377 PTE tables and a PMD table.
    assert.equal(
      pageTableBytes([{ address: before.address, spans: leafSpans(before, model) }], model),
      378 * 64 * KIB,
    );
  });

  it("after: 376 × 512 MiB and 240 × 64 KiB, 616 faults", () => {
    const after = vma(0xff8a_c000_0000n, 0xffb9_c0f0_0000n);
    const counts = countLeaves(leafSpans(after, model));
    assert.deepEqual(counts, [
      { size: 512 * MIB, count: 376 },
      { size: 64 * KIB, count: 240 },
    ]);
    assert.equal(faultsOf(counts), 616);
    assert.equal(
      pageTableBytes([{ address: after.address, spans: leafSpans(after, model) }], model),
      2 * 64 * KIB,
    );
  });
});

describe("countLeaves", () => {
  it("counts each size once, large to small", () => {
    const spans = [
      { offset: 0, size: 8 * KIB, leaf: 4 * KIB },
      { offset: 8 * KIB, size: 2 * GIB, leaf: GIB },
      { offset: 0, size: 4 * KIB, leaf: 4 * KIB },
    ];
    assert.deepEqual(countLeaves(spans), [
      { size: GIB, count: 2 },
      { size: 4 * KIB, count: 3 },
    ]);
    assert.deepEqual(countLeaves([]), []);
    assert.equal(faultsOf([]), 0);
  });
});
