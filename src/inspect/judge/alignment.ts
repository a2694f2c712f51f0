/** Which way of aligning a region's mappings gets how far. */

import { planRegion } from "../../layout/plan.ts";
import type { PagingModel } from "../../layout/paging.ts";
import { pastMultiple } from "../../layout/sizes.ts";
import { regionAlignment, type Strategy } from "../../layout/strategies.ts";
import type { DeviceVma } from "./gate.ts";
import type { ReasonFacts } from "./reason-facts.ts";

type Alignment = Pick<ReasonFacts, "needsRegion" | "reachedRounded" | "needsPhysical" | "alignment">;

/**
 * What alignment the region wants, and whether one of each mapping by itself would do as well.
 *
 * @param group the mappings of one region, at least one
 * @param model null where it is not known, so that all that can be said is the alignment
 */
export function alignmentOf(
  group: readonly [DeviceVma, ...DeviceVma[]],
  model: PagingModel | null,
): Alignment {
  const [{ identity, vma: first }] = group;
  const areas = group
    .map(({ vma }) => ({
      offset: Number((identity.offset === null ? 0n : BigInt(identity.offset)) + vma.start - first.start),
      size: vma.size,
    }))
    .sort((one, other) => one.offset - other.offset);
  const end = areas.reduce((most, { offset, size }) => Math.max(most, offset + size), 0);
  const size = Math.max(end, identity.regionSize ?? 0);
  const alignment = regionAlignment(size);
  if (model === null) return { needsRegion: true, reachedRounded: false, needsPhysical: false, alignment };
  const physical = physicalOf(group, model);
  const faults = (strategy: Strategy): number =>
    planRegion({ size, areas, physical }, strategy, model).faults;
  // Each by itself, as if it were the region.
  const rounded = areas
    .map(({ offset, size: own }) =>
      planRegion(
        { size: own, areas: [{ offset: 0, size: own }], physical: physical + BigInt(offset) },
        "region",
        model,
      ),
    )
    .reduce((sum, plan) => sum + plan.faults, 0);
  const byRegion = faults("region");
  return {
    needsRegion: byRegion < faults("area"),
    reachedRounded: rounded <= byRegion,
    needsPhysical: faults("physical") < byRegion,
    alignment,
  };
}

/** Where the region's first byte lies, as far as it matters to leaves; as a BAR lies where that is not known. */
function physicalOf([{ identity }]: readonly [DeviceVma, ...DeviceVma[]], { pudSize }: PagingModel): bigint {
  if (identity.congruence === null) return 0n;
  return pastMultiple(identity.congruence - BigInt(identity.offset ?? 0), BigInt(pudSize));
}
