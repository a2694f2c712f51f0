/**
 * A process of its own that makes one write to sysfs: `attribute-writer PATH VALUE`. It says by a line that it is there,
 * for starting can take longer than the write; a failure goes out as JSON, call and errno, with exit code 1.
 */

import { constants, openSync, writeSync } from "node:fs";

const [path = "", value = ""] = process.argv.slice(2);
try {
  writeSync(1, "\n");
  writeSync(openSync(path, constants.O_WRONLY), value);
} catch (error) {
  process.stdout.write(JSON.stringify(error));
  process.exitCode = 1;
}
