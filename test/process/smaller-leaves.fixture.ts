/**
 * Imported before the tool: a machine whose setting promises shared memory huge pages, and on which this process gets none. So
 * a measurement differs from what was predicted.
 */

import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { PR_SET_THP_DISABLE } from "../../src/system/constants.ts";
import { linux } from "../../src/system/libc.ts";

linux.prctl(PR_SET_THP_DISABLE, 1, 0);
const { readFileSync } = fs;
Object.assign(fs, {
  readFileSync: (...args: Parameters<typeof readFileSync>) =>
    String(args[0]).endsWith("/transparent_hugepage/shmem_enabled")
      ? "[always] within_size advise never deny force\n"
      : readFileSync(...args),
});
syncBuiltinESMExports();
