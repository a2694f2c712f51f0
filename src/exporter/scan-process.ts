/**
 * A process of its own that looks at the machine once and prints the metrics as JSON: `scan-process PROC SYS`. A read that
 * hangs (a FUSE file system, a process stuck in the kernel) then hangs here, where it can be left to itself.
 */

import { scanMetrics } from "./scan.ts";

const [proc = "/proc", sys = "/sys"] = process.argv.slice(2);
process.stdout.write(JSON.stringify(scanMetrics({ proc, sys })));
