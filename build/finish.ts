/** Finishes what `tsc` has built: `node build/finish.ts [DIST]`. */

import { chmodSync, writeFileSync } from "node:fs";
import { pageScript } from "../src/report/page/page-script.ts";

const [dist = "dist"] = process.argv.slice(2);

// A module of text instead of one that needs esbuild and the sources, which a user has not.
writeFileSync(
  `${dist}/report/page/page-script.js`,
  [
    "/** The page's script, made from browser/main.ts when this was built. */",
    `const SCRIPT = ${JSON.stringify(pageScript())};`,
    "export function pageScript() {",
    "  return SCRIPT;",
    "}",
    "",
  ].join("\n"),
);

// `npx hugebar` runs the file itself; tsc writes none that may be run.
chmodSync(`${dist}/cli/main.js`, 0o755);
