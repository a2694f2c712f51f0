/** Huge leaves that a call cuts through: what is left of the mapping is touched again, and gets what its pieces are due. */

import type { MappedRange } from "../../layout/leaves.ts";
import { leafSizes } from "../../layout/paging.ts";
import { formatSize } from "../../layout/sizes.ts";
import { PROT_NONE } from "../../system/constants.ts";
import { type Bench, CannotJudge, type Point } from "../point.ts";
import { reserve } from "../reservation.ts";
import type { Trial } from "../trial.ts";
import { HUGE_FAULT } from "./commits.ts";

/** A whole huge leaf, there already, of which the next smaller leaf in its middle is cut out. */
function eachLeaf(bench: Bench, cut: (trial: Trial, part: Part, name: string) => void): void {
  const sizes = leafSizes(bench.model);
  for (const leaf of bench.hugeLeaves()) {
    const smaller = sizes.find((size) => size < leaf) ?? bench.page;
    cutLeaf(bench, leaf, { offset: leaf / 2, size: smaller }, cut);
  }
}

/** What is cut out of a leaf, in bytes from its start. */
interface Part {
  readonly offset: number;
  readonly size: number;
}

function cutLeaf(
  bench: Bench,
  leaf: number,
  part: Part,
  cut: (trial: Trial, part: Part, name: string) => void,
): void {
  const trial = bench.map({ size: leaf });
  const name = `${formatSize(part.size)} out of ${formatSize(leaf)}`;
  bench.expectLeaf(trial, 0, `${name}, before`, leaf);
  cut(trial, part, name);
  bench.close();
}

/** The pieces before and behind the part. */
function expectPieces(bench: Bench, trial: Trial, { offset, size }: Part, name: string): void {
  const behind = offset + size;
  expectEnds(bench, trial.piece(0, offset), `${name}, before it`);
  expectEnds(bench, trial.piece(behind, trial.size - behind), `${name}, behind it`);
}

/** A piece, touched at both ends. */
function expectEnds(bench: Bench, piece: MappedRange, name: string): void {
  for (const at of [0, piece.size - bench.page])
    bench.expectLeaf(piece, at, `${name}, at 0x${at.toString(16)}`);
}

export const splitByMunmap: Point = {
  name: "split_by_munmap",
  about: "unmapping a part of a huge leaf leaves the rest usable, with the leaves that its pieces are due",
  commits: [HUGE_FAULT],
  needsHugeLeaves: true,
  run(bench) {
    eachLeaf(bench, (trial, part, name) => {
      unmapPart(bench, trial, part, name);
    });
  },
};

function unmapPart(bench: Bench, trial: Trial, part: Part, name: string): void {
  bench.subject.system.munmap(trial.address + BigInt(part.offset), part.size);
  expectPieces(bench, trial, part, name);
}

/**
 * `vma_adjust_trans_huge` splits the leaf of a PMD below an edge that is none of a PMD's, and takes a leaf of a PUD for a table
 * of PMDs (mm/huge_memory.c, split_huge_pmd_address; mm/rmap.c, mm_find_pmd): it reads the device's memory as one, and the
 * kernel oopses with the process's memory locked. Seen on Linux 6.12.117 and 7.2.13.
 */
export const pageOutOfPud: Point = {
  name: "page_out_of_pud_leaf",
  about: "unmapping a page of a PUD's leaf leaves the rest usable, and the kernel alive",
  commits: [HUGE_FAULT],
  needsHugeLeaves: true,
  run(bench) {
    const pudSize = riskedPud(bench, "Linux 6.12.117 and 7.2.13 oopsed here; --risk-oops tries it");
    cutLeaf(bench, pudSize, { offset: pudSize / 2, size: bench.page }, (trial, part, name) => {
      unmapPart(bench, trial, part, name);
    });
  },
};

export const splitByMprotect: Point = {
  name: "split_by_mprotect",
  about: "other rights for a part of a huge leaf cut it as unmapping does, and the part itself stays usable",
  commits: [HUGE_FAULT],
  needsHugeLeaves: true,
  run(bench) {
    const { system, protection } = bench.subject;
    eachLeaf(bench, (trial, part, name) => {
      const address = trial.address + BigInt(part.offset);
      system.mprotect(address, part.size, PROT_NONE);
      expectPieces(bench, trial, part, name);
      system.mprotect(address, part.size, protection);
      // The kernel may join the pieces again or not: which leaf it gets is open, that it can be read is not.
      bench.touch(trial.piece(part.offset, part.size), 0);
    });
  },
};

export const splitByMremap: Point = {
  name: "split_by_mremap",
  about:
    "a part of a huge leaf that is moved away, and what it was taken from, get the leaves that they are due where they lie",
  commits: [HUGE_FAULT],
  needsHugeLeaves: true,
  run(bench) {
    const { pmdSize } = bench.model;
    cutLeaf(bench, pmdSize, { offset: pmdSize / 2, size: pmdSize / 2 }, (trial, part, name) => {
      movePart(bench, trial, part, name);
    });
  },
};

/** The kernel takes the leaf for a broken table, says so in its log ("bad pud") and forgets it: seen on Linux 6.12.117. */
export const mremapOutOfPud: Point = {
  name: "mremap_part_of_pud_leaf",
  about:
    "a part of a PUD's leaf that is moved away, and what it was taken from, get the leaves that they are due",
  commits: [HUGE_FAULT],
  needsHugeLeaves: true,
  run(bench) {
    const pudSize = riskedPud(bench, "Linux 6.12.117 complained of a bad pud here; --risk-oops tries it");
    cutLeaf(bench, pudSize, { offset: pudSize / 2, size: pudSize / 2 }, (trial, part, name) => {
      movePart(bench, trial, part, name);
    });
  },
};

/** Moves the part of the mapping to a place of its own, as congruent as it was. */
function movePart(bench: Bench, trial: Trial, { offset, size }: Part, name: string): void {
  const part = trial.piece(offset, size);
  const reservation = reserve(bench.subject, size, part.address);
  const { address } = reservation;
  try {
    bench.subject.system.mremap(part.address, size, address);
    expectEnds(bench, { ...part, address }, `${name}, moved`);
    expectEnds(bench, trial.piece(0, offset), `${name}, left`);
  } finally {
    reservation.release();
  }
}

function riskedPud(bench: Bench, why: string): number {
  const { pudSize, pudLeaf } = bench.model;
  if (!pudLeaf || !bench.hugeLeaves().includes(pudSize)) throw new CannotJudge("no leaf of a PUD fits");
  if (!bench.options.riskOops) throw new CannotJudge(why);
  return pudSize;
}
