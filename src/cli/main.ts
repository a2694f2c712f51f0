#!/usr/bin/env node
/**
 * The entry of the command-line tool. It looks at Node's version before anything else is loaded, so that a Node that
 * is too old gets one clear line and not a syntax error; therefore this file and its imports stay plain and few.
 */

import { nodeVersionProblem } from "./node-version.ts";

const problem = nodeVersionProblem(process.versions.node);
if (problem === null) {
  const { runTool } = await import("./run.ts");
  await runTool(process.argv.slice(2));
} else {
  process.stderr.write(`hugebar: ${problem.message}\n`);
  process.exitCode = problem.exitCode;
}
