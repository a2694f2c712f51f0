/** Huge leaves that a call cuts through: what is left of the mapping is touched again, and gets what its pieces are due. */

import { leafSizes } from "../../layout/paging.ts";
import { formatSize, roundUp } from "../../layout/sizes.ts";
import { MAP_ANONYMOUS, MAP_NORESERVE, MAP_PRIVATE, PROT_NONE, PROT_READ } from "../../system/constants.ts";
import { type Bench, CannotJudge, type Point } from "../point.ts";
import type { Trial } from "../trial.ts";

const SPLITTING = 'f9e54c3a2f5b ("vfio/pci: implement huge_fault support")';

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

/** The pieces before and behind the part, each touched at both ends. */
function expectPieces(bench: Bench, trial: Trial, { offset, size }: Part, name: string): void {
  const behind = offset + size;
  const pieces = [
    { piece: trial.piece(0, offset), word: "before it" },
    { piece: trial.piece(behind, trial.size - behind), word: "behind it" },
  ];
  for (const { piece, word } of pieces) {
    for (const at of [0, piece.size - bench.page]) {
      bench.expectLeaf(piece, at, `${name}, ${word}, at 0x${at.toString(16)}`);
    }
  }
}

export const splitByMunmap: Point = {
  name: "split_by_munmap",
  about: "unmapping a part of a huge leaf leaves the rest usable, with the leaves that its pieces are due",
  commits: [SPLITTING],
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
  commits: [SPLITTING],
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
  commits: [SPLITTING],
  needsHugeLeaves: true,
  run(bench) {
    const { system } = bench.subject;
    eachLeaf(bench, (trial, part, name) => {
      const address = trial.address + BigInt(part.offset);
      system.mprotect(address, part.size, PROT_NONE);
      expectPieces(bench, trial, part, name);
      system.mprotect(address, part.size, PROT_READ);
      // The kernel may join the pieces again or not: which leaf it gets is open, that it can be read is not.
      bench.observer.touch(trial.piece(part.offset, part.size), 0);
    });
  },
};

export const splitByMremap: Point = {
  name: "split_by_mremap",
  about:
    "a part of a huge leaf that is moved away, and what it was taken from, get the leaves that they are due where they lie",
  commits: [SPLITTING],
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
  commits: [SPLITTING],
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
  const { system } = bench.subject;
  const { page, model } = bench;
  const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  const reserved = size + 2 * model.pudSize;
  const base = system.mmap(0n, reserved, PROT_NONE, flags, -1, 0);
  try {
    const boundary = BigInt(model.pudSize);
    const from = trial.address + BigInt(offset);
    const moved = { ...trial.piece(offset, size), address: roundUp(base, boundary) + (from % boundary) };
    system.mremap(from, size, moved.address);
    const left = trial.piece(0, offset);
    for (const at of [0, size - page]) bench.expectLeaf(moved, at, `${name}, moved, at 0x${at.toString(16)}`);
    for (const at of [0, offset - page]) bench.expectLeaf(left, at, `${name}, left, at 0x${at.toString(16)}`);
  } finally {
    system.munmap(base, reserved);
  }
}

function riskedPud(bench: Bench, why: string): number {
  const { pudSize, pudLeaf } = bench.model;
  if (!pudLeaf || !bench.hugeLeaves().includes(pudSize)) throw new CannotJudge("no leaf of a PUD fits");
  if (!bench.options.riskOops) throw new CannotJudge(why);
  return pudSize;
}
