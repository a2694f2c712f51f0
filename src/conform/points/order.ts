/** Which order a fault takes: by addresses, by the mapping's edges, by the page frame, and by nothing else. */

import { formatSize } from "../../layout/sizes.ts";
import { PROT_READ } from "../../system/constants.ts";
import type { Bench, Point } from "../point.ts";
import { HUGE_FAULT } from "./commits.ts";

const UNALIGNED = '09dfc8a5f2ce ("vfio/pci: Fallback huge faults for unaligned pfn")';
const ALIGNED = 'c1d9dac0db16 ("vfio/pci: Align huge faults to order")';

/** A page before each boundary of a leaf, the page at it, and the one behind it, as far as they are in the mapping. */
function around(bench: Bench, start: bigint, size: number): number[] {
  const { page } = bench;
  const offsets = new Set([0, size - page]);
  for (const leaf of bench.hugeLeaves()) {
    const first = Number((BigInt(leaf) - (start % BigInt(leaf))) % BigInt(leaf));
    for (const boundary of [first, first + leaf]) {
      for (const at of [boundary - page, boundary, boundary + page]) offsets.add(at);
    }
  }
  return [...offsets].filter((at) => at >= 0 && at < size).sort((a, b) => a - b);
}

function lookAround(bench: Bench, name: string, options: Parameters<Bench["map"]>[0]): void {
  const trial = bench.map(options);
  for (const at of around(bench, trial.address, trial.size)) {
    bench.expectLeaf(trial, at, `${name}, at ${hex(at)}`);
  }
  bench.close();
}

/** Two blocks of the largest leaf, and a page more. */
function testSize(bench: Bench): number {
  const [largest = 0] = bench.hugeLeaves();
  return Math.min(bench.subject.size, 2 * largest + bench.page);
}

export const orderByAlignment: Point = {
  name: "order_by_alignment",
  about:
    "where virtual and physical address agree, a fault takes the largest order that the mapping has room for",
  commits: [HUGE_FAULT],
  needsHugeLeaves: true,
  run(bench) {
    lookAround(bench, "congruent", { size: testSize(bench) });
  },
};

export const withinTheMapping: Point = {
  name: "no_leaf_over_an_edge",
  about: "a leaf lies in the mapping as a whole: what is left at its edges gets smaller ones",
  commits: [HUGE_FAULT],
  needsHugeLeaves: true,
  run(bench) {
    const { page } = bench;
    const size = testSize(bench);
    for (const leaf of bench.hugeLeaves()) {
      const from = { offset: page, size: size - page };
      lookAround(bench, `starting a page behind a block of ${formatSize(leaf)}`, from);
      lookAround(bench, `ending a page before one of ${formatSize(leaf)}`, { size: leaf - page });
      lookAround(bench, `ending a page behind one of ${formatSize(leaf)}`, { size: leaf + page });
    }
  },
};

export const unalignedPageFrame: Point = {
  name: "unaligned_page_frame",
  about:
    "where virtual and physical address disagree, a fault takes the largest order at which they do not: a larger leaf would show wrong memory",
  commits: [UNALIGNED],
  needsHugeLeaves: true,
  run(bench) {
    const { page } = bench;
    const size = testSize(bench);
    for (const shift of [page, ...bench.hugeLeaves().slice(1), -page]) {
      lookAround(bench, `${shift < 0 ? "-" : "+"}${formatSize(Math.abs(shift))} off`, { size, shift });
    }
    for (const offset of [page, ...bench.hugeLeaves().slice(1)]) {
      lookAround(bench, `the area's ${hex(offset)} at an aligned address`, {
        offset,
        size: size - offset - (size % page),
        past: 0,
      });
    }
  },
};

export const anyFirstTouch: Point = {
  name: "any_page_first",
  about: "a block gets its leaf whichever of its pages is touched first",
  commits: [ALIGNED],
  needsHugeLeaves: true,
  run(bench) {
    for (const leaf of bench.hugeLeaves()) {
      const { page } = bench;
      for (const at of [page, leaf / 2, leaf - page]) {
        const trial = bench.map({ size: leaf });
        bench.expectLeafAtOnce(trial, at, `${formatSize(leaf)}, touched first at ${hex(at)}`);
        bench.expectLeaf(trial, 0, `${formatSize(leaf)}, its first page then`);
        bench.close();
      }
    }
  },
};

export const readOnly: Point = {
  name: "read_only",
  about: "a read-only mapping gets the same leaves",
  commits: [HUGE_FAULT],
  needsHugeLeaves: true,
  run(bench) {
    lookAround(bench, "read-only", { size: testSize(bench), protection: PROT_READ });
  },
};

function hex(offset: number): string {
  return `0x${offset.toString(16)}`;
}
