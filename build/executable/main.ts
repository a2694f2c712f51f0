/** The executable's entry: the tool, or one of our modules that run as a process of their own. */

import { runTool } from "../../src/cli/run.ts";

const OWN_MODULE = "--own-module=";
const [first = ""] = process.argv.slice(2);

if (first === `${OWN_MODULE}trace-guard`) {
  process.argv.splice(2, 1);
  await import("../../src/inspect/trace/trace-guard.ts");
} else if (first === `${OWN_MODULE}attribute-writer`) {
  process.argv.splice(2, 1);
  await import("../../src/vfio/bind/attribute-writer.ts");
} else {
  await runTool(process.argv.slice(2));
}
