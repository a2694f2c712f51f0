/** Finishes what `tsc` has built: `node build/finish.ts [DIST]`. */

import { chmodSync, writeFileSync } from "node:fs";
import { pageScriptModule } from "./page-script-module.ts";

const [dist = "dist"] = process.argv.slice(2);

// A module of text instead of one that needs esbuild and the sources, which a user has not.
writeFileSync(`${dist}/report/page/page-script.js`, pageScriptModule());

// `npx hugebar` runs the file itself; tsc writes none that may be run.
chmodSync(`${dist}/cli/main.js`, 0o755);
