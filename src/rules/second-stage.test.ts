import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { countLeaves } from "../layout/leaves.ts";
import { pagingModels, type PagingModel } from "../layout/paging.ts";
import { GIB, MIB } from "../layout/sizes.ts";
import { secondStageSpans } from "./second-stage.ts";

const x86 = pagingModels["x86-64"];

/** A kernel with tables so small that every page of a mapping can be looked at: 4 pages a PMD, 4 PMDs a PUD. */
const small: PagingModel = { ...x86, pageSize: 1, pmdSize: 4, pudSize: 16 };

interface Shape {
  /** The VMA, and the page frame of its first page. */
  readonly vma: { readonly start: number; readonly end: number; readonly pfn: number };
  readonly slot: {
    readonly base: number;
    readonly pages: number;
    readonly host: number;
    readonly logs: boolean;
  };
}

/** `vfio_pci_mmap_huge_fault`: the largest order whose block lies in the VMA and whose page frame is a multiple of it. */
function hostLeafAt({ start, end, pfn }: Shape["vma"], page: number): number {
  for (const leaf of [16, 4]) {
    const first = page - (page % leaf);
    if (first < start || first + leaf > end) continue;
    if ((pfn + (first - start)) % leaf === 0) return leaf;
  }
  return 1;
}

/** `kvm_alloc_memslot_metadata`, for each level above the last: which blocks may not have a leaf. */
function disallowed({ base, pages, host }: Shape["slot"], leaf: number): Set<number> {
  const blocks = Math.floor((base + pages - 1) / leaf) - Math.floor(base / leaf) + 1;
  const none = new Set<number>();
  if (base % leaf !== 0) none.add(0);
  if ((base + pages) % leaf !== 0) none.add(blocks - 1);
  if ((base ^ host) & (leaf - 1)) for (let block = 0; block < blocks; block += 1) none.add(block);
  return none;
}

/** The kernel's way, page by page: the sizes of the leaves of the second stage, by the guest's page. */
function kernelLeaves({ vma, slot }: Shape): Map<number, number> {
  const barred = new Map([16, 4].map((leaf) => [leaf, disallowed(slot, leaf)]));
  const leaves = new Map<number, number>();
  for (let gfn = slot.base; gfn < slot.base + slot.pages; gfn += 1) {
    const hva = slot.host + (gfn - slot.base);
    if (hva < vma.start || hva >= vma.end) continue;
    const host = hostLeafAt(vma, hva);
    // kvm_mmu_hugepage_adjust, kvm_mmu_max_mapping_level
    const allowed = [16, 4].find((leaf) => {
      const block = Math.floor(gfn / leaf) - Math.floor(slot.base / leaf);
      return !slot.logs && barred.get(leaf)?.has(block) === false && host >= leaf;
    });
    leaves.set(gfn, allowed ?? 1);
  }
  return leaves;
}

function closedForm({ vma, slot }: Shape): Map<number, number> {
  const from = Math.max(slot.host, vma.start);
  const to = Math.min(slot.host + slot.pages, vma.end);
  const leaves = new Map<number, number>();
  if (from >= to) return leaves;
  const guest = slot.base + (from - slot.host);
  const spans = secondStageSpans(
    {
      guestAddress: BigInt(guest),
      hostAddress: BigInt(from),
      physical: BigInt(vma.pfn + (from - vma.start)),
      size: to - from,
    },
    small,
    slot.logs ? 1 : Infinity,
  );
  for (const { offset, size, leaf } of spans) {
    for (let page = 0; page < size; page += 1) leaves.set(guest + offset + page, leaf);
  }
  return leaves;
}

/** A generator of numbers that repeats itself from the same start: 200,000 shapes in little time. */
function numbers(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}

/** How far apart addresses lie. */
const APART = [0, 0, 0, 16, 32, 4, 8, 1, 20, 3];

describe("secondStageSpans", () => {
  it("is what the kernel's algorithm does, block by block, for 200,000 shapes", () => {
    const next = numbers(20_261_126);
    let huge = 0;
    for (let count = 0; count < 200_000; count += 1) {
      const start = next(40);
      const host = Math.max(0, start + next(24) - 8);
      // Often congruent, or nearly: else there would be nothing but pages.
      const near = (base: number): number => base + (APART[next(APART.length)] ?? 0);
      const shape: Shape = {
        vma: { start, end: start + 1 + next(90), pfn: near(start) },
        slot: { base: near(host + 32), pages: 1 + next(90), host, logs: next(10) === 0 },
      };
      const [kernel, closed] = [kernelLeaves(shape), closedForm(shape)];
      const differs =
        kernel.size !== closed.size || [...kernel].some(([page, leaf]) => closed.get(page) !== leaf);
      if (differs) assert.deepEqual(closed, kernel, JSON.stringify(shape));
      if ([...closed.values()].includes(16)) huge += 1;
    }
    assert.ok(huge > 10_000, `only ${huge} shapes had a leaf of the largest size`);
  });

  const leavesOf = (guest: bigint, host: bigint, size: number, physical = 0x40_0000_0000n) =>
    countLeaves(secondStageSpans({ guestAddress: guest, hostAddress: host, physical, size }, x86)).map(
      ({ size: leaf, count }) => `${count} x ${leaf}`,
    );
  const at = 0x7f00_0000_0000n;
  const guest = 0x38_0000_0000n;
  const eight = 8 * GIB;

  it("gives what was measured on real kernels", () => {
    assert.deepEqual(leavesOf(guest, at, eight), [`8 x ${GIB}`]);
    assert.deepEqual(leavesOf(guest + 0x20_0000n, at, eight), [`4096 x ${2 * MIB}`]);
    assert.deepEqual(leavesOf(guest + 0x2000_0000n, at + 0x2000_0000n, eight), [`4096 x ${2 * MIB}`]);
    assert.deepEqual(leavesOf(guest + 0x1000n, at, eight), [`${eight / 4096} x 4096`]);
    assert.deepEqual(leavesOf(guest, at, 6 * GIB + 15 * MIB), [`6 x ${GIB}`, `7 x ${2 * MIB}`, "256 x 4096"]);
    // A slot that begins and ends in the middle of the host's leaves.
    assert.deepEqual(
      leavesOf(guest + 0x2000_0000n, at + 0x2000_0000n, 2 * GIB, 0x40_0000_0000n + 0x2000_0000n),
      [`1 x ${GIB}`, `512 x ${2 * MIB}`],
    );
  });

  it("covers every byte once, whatever the shape", () => {
    const pages = fc.nat(2 ** 20).map((count) => BigInt(count) * 4096n);
    fc.assert(
      fc.property(pages, pages, pages, fc.nat(2 ** 21), (guestAt, hostAt, physical, count) => {
        const size = count * 4096;
        let end = 0;
        const piece = { guestAddress: guestAt, hostAddress: hostAt, physical, size };
        for (const span of secondStageSpans(piece, x86)) {
          assert.equal(span.offset, end);
          assert.equal(span.size % span.leaf, 0);
          assert.equal((Number(guestAt) + span.offset) % span.leaf, 0);
          end += span.size;
        }
        assert.equal(end, size);
      }),
    );
  });
});
