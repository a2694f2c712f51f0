/** What KVM makes of the memory for a guest. */

import { countLeaves, type LeafCount } from "../../layout/leaves.ts";
import { formatSize } from "../../layout/sizes.ts";
import { secondStageSpans } from "../../rules/second-stage.ts";
import { createGuest } from "../guest.ts";
import { type Bench, CannotJudge, type Point } from "../point.ts";

/** Where the guest has the memory: far from what else it may have, and at a boundary of any leaf. */
const GUEST_BASE = 2n ** 37n;

export const secondStage: Point = {
  name: "second_stage",
  about: "a guest of KVM has the leaves at which its own address, the virtual and the physical one agree",
  commits: ['5731aacd54a8 ("KVM: use follow_pfnmap API")'],
  needsHugeLeaves: true,
  run(bench) {
    const { others } = bench.observer;
    if (others === null) throw new CannotJudge("only page tables show a guest's leaves");
    for (const { what, past, size } of placesOf(bench)) {
      const { address, physical } = bench.map({ size });
      const piece = { guestAddress: GUEST_BASE + BigInt(past), hostAddress: address, physical, size };
      const guest = createGuest(bench.subject.system, piece);
      if (typeof guest === "string") throw new CannotJudge(guest);
      try {
        const found = others.guestLeaves(piece.guestAddress, size);
        if (found === null) throw new CannotJudge("the second stage of this KVM cannot be read");
        bench.note(what, inWords(countLeaves(secondStageSpans(piece, bench.model))), inWords(found));
      } finally {
        guest.close();
      }
      bench.close();
    }
  },
};

/** A block of each huge leaf where the guest has it at such an address too, and where it has it a smaller leaf off. */
function placesOf(bench: Bench): { what: string; past: number; size: number }[] {
  const { page } = bench;
  const remainder = (size: number): number => Number(bench.subject.physical % BigInt(size));
  return bench.hugeLeaves().flatMap((size, index, sizes) => {
    const smaller = sizes[index + 1] ?? page;
    const past = remainder(sizes[0] ?? size);
    return [
      { what: `${formatSize(size)}, congruent in the guest`, past, size },
      { what: `${formatSize(size)}, ${formatSize(smaller)} off in the guest`, past: past + smaller, size },
    ];
  });
}

function inWords(leaves: readonly LeafCount[]): string {
  return leaves.map(({ size, count }) => `${count} × ${formatSize(size)}`).join(", ");
}
