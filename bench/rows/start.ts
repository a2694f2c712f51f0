/** The start of the tool: what a user waits for before anything happens. */

import { comparePairs } from "../pairs.ts";
import type { Row } from "../row.ts";
import { builtTool, runs } from "../tool.ts";

export const toolStart: Row = {
  name: "start",
  what: "start of the tool, `hugebar --version`",
  against: "`node -e 0`",
  bar: { kind: "ratio", most: 1.5 },
  async measure() {
    const node = runs(process.execPath, ["-e", "0"]);
    return comparePairs(builtTool(["--version"]), node, { pairs: 31, count: 1 });
  },
};
