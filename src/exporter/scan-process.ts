/**
 * A process of its own that looks at the machine once and prints the metrics as JSON: `scan-process PROC SYS [SMAPS LEARNED]`.
 * A read that hangs (a FUSE file system, a process stuck in the kernel) then hangs here, where it can be left to itself.
 */

import { parseLearned } from "./scan-answer.ts";
import { scanMetrics } from "./scan.ts";

const [proc = "/proc", sys = "/sys", smaps, learned] = process.argv.slice(2);
const answer = scanMetrics({ proc, sys }, parseLearned(learned), smaps === "never" ? smaps : "once");
process.stdout.write(JSON.stringify(answer));
