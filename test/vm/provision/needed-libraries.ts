/** What programs of another architecture load, by what they say: their own loader cannot be asked here. */

import { globSync } from "node:fs";
import { basename, join } from "node:path";

import { buildRoot } from "./build-root.ts";
import { obtain } from "./cache.ts";
import { run } from "./command.ts";
import { commandIn } from "./roots.ts";

/** The libraries that these programs and libraries of the root need, the loader among them, as paths below the root. */
export function neededBy(root: string, programs: readonly string[]): string[] {
  const [readelf = "", ...words] = commandIn(obtain(buildRoot), "usr/bin/x86_64-linux-gnu-readelf");
  const available = new Map(
    globSync("usr/lib/{,*-linux-gnu/,*-linux-gnu/*/}*.so*", { cwd: root }).map((path) => [
      basename(path),
      path,
    ]),
  );
  const found = new Set<string>();
  const follow = (path: string): void => {
    const said = run(readelf, [...words, "--wide", "--dynamic", "--program-headers", join(root, path)]);
    for (const [, library, loader] of said.matchAll(/\(NEEDED\).*\[(.+)\]|interpreter: \/(.+)\]/g)) {
      // The loader is found where it says, and nowhere else.
      const needed = library === undefined ? `usr/${loader}` : available.get(library);
      if (needed === undefined)
        throw new Error(`${path} needs ${library ?? loader}, which is not in ${root}`);
      if (found.has(needed)) continue;
      found.add(needed);
      follow(needed);
    }
  };
  for (const program of programs) follow(program);
  return [...found];
}
