/**
 * In the executable, the place of src/system/koffi.ts: koffi's binary is an asset. The dynamic loader wants a file, so it
 * gets one without a name, which nobody else can open: O_TMPFILE, by way of /proc. (koffi's own JavaScript finds that
 * binary and marks what is deprecated; neither is needed here.)
 */

import { closeSync, constants, openSync, writeSync } from "node:fs";
import { constants as osConstants, tmpdir } from "node:os";
import { getRawAsset } from "node:sea";
import type * as Koffi from "koffi";

export type { Koffi };

/** open(2): __O_TMPFILE | O_DIRECTORY; the first is the same on all architectures of Linux but alpha, parisc and sparc. */
const O_TMPFILE = 0o20000000 | constants.O_DIRECTORY;

export function loadKoffi(): typeof Koffi {
  const problems: unknown[] = [];
  // One may be mounted noexec, or its file system may have no nameless files.
  for (const folder of new Set([process.env["XDG_RUNTIME_DIR"], tmpdir(), "/dev/shm", "/var/tmp", "/run"])) {
    if (folder === undefined) continue;
    try {
      return loadFrom(folder);
    } catch (error) {
      problems.push(error);
    }
  }
  const what = problems.map((problem) => (problem instanceof Error ? problem.message : String(problem)));
  throw new Error(`Cannot load the executable's own library from a nameless file: ${what.join("; ")}`);
}

function loadFrom(folder: string): typeof Koffi {
  // O_EXCL: nor can it ever get a name (open(2)).
  const fd = openSync(folder, constants.O_RDWR | O_TMPFILE | constants.O_EXCL, 0o600);
  try {
    const binary = new Uint8Array(getRawAsset("koffi.node"));
    for (let written = 0; written < binary.length;) written += writeSync(fd, binary, written);
    const module = { exports: {} };
    process.dlopen(module, `/proc/self/fd/${fd}`, osConstants.dlopen.RTLD_NOW);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the binary of the version that the lock file names
    return module.exports as typeof Koffi;
  } finally {
    closeSync(fd);
  }
}
