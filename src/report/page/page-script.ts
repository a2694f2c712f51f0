/**
 * The scripts of pages: `browser/main.ts` and `browser/planner.ts`, each with what it imports as one plain script. Here, from the sources, esbuild puts it
 * together when it is asked for. In what is built a file of the same name holds the text that `npm run build` has made
 * (build/page-script.ts): a user has no esbuild, and no sources beside the tool.
 */

import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import type * as Esbuild from "esbuild";

/** The script of a picture's page. It has no imports and no exports, and nothing in it ends its element. */
export function pageScript(): string {
  return scriptOf("browser/main.ts");
}

/** That of the planner. */
export function plannerScript(): string {
  return scriptOf("browser/planner.ts");
}

function scriptOf(entry: string): string {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- require() has no type; this is the module's own
  const esbuild = createRequire(import.meta.url)("esbuild") as typeof Esbuild;
  const { outputFiles } = esbuild.buildSync({
    entryPoints: [fileURLToPath(new URL(entry, import.meta.url))],
    bundle: true,
    format: "iife",
    target: "es2022",
    charset: "utf8",
    legalComments: "none",
    minify: true,
    write: false,
    logLevel: "silent",
  });
  const [file] = outputFiles;
  if (file === undefined) throw new Error("esbuild made no script of the page");
  return file.text;
}
