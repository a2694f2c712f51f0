/**
 * A process of its own that removes a trace instance once its standard input ends: when the trace ends, and just as
 * well when its process is killed. `trace-guard ROOT NAME`
 */

import { removeInstance } from "./trace-instance.ts";

const [root, name] = process.argv.slice(2);
if (root !== undefined && name !== undefined) {
  // A service manager that stops a service sends this to each of its processes; the guard is the last to go.
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, () => undefined);
  process.stdin.resume();
  process.stdin.once("end", () => {
    removeInstance(root, name).catch((error: unknown) => {
      process.stderr.write(`hugebar: Cannot remove the trace instance ${name}: ${String(error)}\n`);
      process.exitCode = 1;
    });
  });
}
