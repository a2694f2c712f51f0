/** `hugebar plan --areas FILE`, as a user runs it. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { areaText } from "../../src/layout/area-text.ts";
import { comparePairs } from "../pairs.ts";
import type { Row } from "../row.ts";
import { evenAreas } from "../shapes.ts";
import { builtTool } from "../tool.ts";

const MANY = 100_000;
/** Bytes of region for each area: half of it mappable, half gap. */
const SPACING = 1 << 22;

export const planAreas: Row = {
  name: "plan",
  what: "`hugebar plan --areas FILE` of 100,000 areas, from start to end",
  against: "–",
  bar: { kind: "time", most: 1e9 },
  async measure() {
    const folder = mkdtempSync(join(tmpdir(), "hugebar-bench-"));
    try {
      const file = join(folder, "areas");
      writeFileSync(
        file,
        `${evenAreas(MANY * SPACING, MANY)
          .map(areaText)
          .join("\n")}\n`,
      );
      const plan = builtTool(["plan", "--size", String(MANY * SPACING), "--areas", file]);
      return await comparePairs(plan, null, { pairs: 11, count: 1 });
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
};
