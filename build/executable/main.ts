/** The executable's entry: the tool, or one of our modules that run as a process of their own. */

import { runTool } from "../../src/cli/run.ts";

/** By the word with which own-modules.ts starts them. */
const PROGRAMS: Readonly<Record<string, () => Promise<unknown>>> = {
  "--own-module=trace-guard": () => import("../../src/inspect/trace/trace-guard.ts"),
  "--own-module=attribute-writer": () => import("../../src/vfio/bind/attribute-writer.ts"),
  "--own-module=scan-process": () => import("../../src/exporter/scan-process.ts"),
  "--own-module=other-process": () => import("../../src/conform/points/other-process.ts"),
  "--own-module=serve-process": () => import("../../src/vfio-user/server/serve-process.ts"),
};

const [first = ""] = process.argv.slice(2);
const program = Object.hasOwn(PROGRAMS, first) ? PROGRAMS[first] : undefined;
if (program === undefined) {
  await runTool(process.argv.slice(2));
} else {
  process.argv.splice(2, 1);
  await program();
}
