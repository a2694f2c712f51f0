/** Rows of `layout/`: arithmetic over many areas. */

import { Bench } from "tinybench";
import { arrangeAreas, gapsOf, type Area } from "../../src/layout/areas.ts";
import { pagingModels } from "../../src/layout/paging.ts";
import { planRegion } from "../../src/layout/plan.ts";
import { comparePairs, timed, type Comparison } from "../pairs.ts";
import type { Row } from "../row.ts";
import { evenAreas } from "../shapes.ts";

const MODEL = pagingModels["x86-64"];
const MANY = 100_000;
const FEW = 10_000;
/** Bytes of region for each area: half of it mappable, half gap. */
const SPACING = 1 << 21;

/** What mapping and planning a region compute from its areas. */
function layOut(size: number, listed: readonly Area[]): void {
  const areas = arrangeAreas(size, listed, MODEL.pageSize);
  gapsOf(size, areas);
  planRegion({ size, areas }, "region", MODEL);
}

/** The work for a region with `count` areas, which its device lists last one first. */
function layoutOf(count: number): () => void {
  const size = count * SPACING;
  const listed = evenAreas(size, count).reverse();
  return () => layOut(size, listed);
}

export const layoutTime: Row = {
  name: "layout",
  what: "layout of 100,000 areas",
  against: "–",
  bar: { kind: "time", most: 100e6 },
  async measure(): Promise<Comparison> {
    const bench = new Bench({ time: 0, iterations: 21, warmupTime: 0, warmupIterations: 3 });
    bench.add("layout", layoutOf(MANY));
    const [task] = await bench.run();
    if (task?.result.state !== "completed")
      throw new Error("the layout of 100,000 areas did not come to an end");
    return { hugebar: task.result.latency.p50 * 1e6, peer: null, ratio: null, extra: null };
  },
};

/** Ten times the areas: squared growth would show as 10 ×, linear growth as 1 × and what the caches cost on top. */
export const layoutGrowth: Row = {
  name: "layout-growth",
  what: "layout, for each of 100,000 areas",
  against: "each of 10,000 areas",
  bar: { kind: "ratio", most: 2 },
  async measure(): Promise<Comparison> {
    const many = layoutOf(MANY);
    const few = layoutOf(FEW);
    return comparePairs(
      timed(many),
      timed(() => {
        for (let done = 0; done < MANY; done += FEW) few();
      }),
      { pairs: 21, count: MANY },
    );
  },
};
