/**
 * The page's script: the modules below `browser/`, and those of other rooms that they import, put together in one text. No
 * bundler: each module becomes a function that returns its exports, in the order in which they need each other. It
 * understands the imports and exports that this repository writes, which are named ones, and refuses others.
 */

import { readFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";

const IMPORT = /^import \{(?<wanted>[^}]*)\} from "(?<from>\.[^"]*)";$/gm;
const EXPORT = /^export (?<declaration>(?:async )?(?:const|function|class) (?<name>\w+))/gm;
const OTHER = /^(?:import|export)\b.*$|\bimport\(|\bimport\.meta\b|<\/script|<!--/im;

/** The script of the page, from the sources beside this file or from what `tsc` made of them. */
export function pageScript(): string {
  const suffix = import.meta.url.endsWith(".ts") ? ".ts" : ".js";
  const modules = new Map<string, LinkedModule>();
  link(new URL(`browser/main${suffix}`, import.meta.url), modules);
  return [...modules.values()].map(({ text }) => text).join("\n");
}

interface LinkedModule {
  /** The constant that holds its exports. */
  readonly name: string;
  readonly text: string;
}

/** Adds a module behind those that it imports: `const m3 = (() => { … return { its, exports }; })();` */
function link(url: URL, modules: Map<string, LinkedModule>): LinkedModule {
  const known = modules.get(url.href);
  if (known !== undefined) return known;
  const exported: string[] = [];
  const body = readScript(url)
    .replaceAll(IMPORT, (_, wanted: string, from: string) => {
      const { name } = link(new URL(from, url), modules);
      return `const {${wanted.replaceAll(" as ", ": ")}} = ${name};`;
    })
    .replaceAll(EXPORT, (_, declaration: string, name: string) => {
      exported.push(name);
      return declaration;
    });
  const other = OTHER.exec(body);
  if (other !== null) throw new Error(`${url.href} cannot be part of the page's script: ${other[0]}`);
  const name = `m${modules.size}`;
  const text = `const ${name} = (() => {\n${body.trim()}\nreturn { ${exported.join(", ")} };\n})();`;
  const linked = { name, text };
  modules.set(url.href, linked);
  return linked;
}

function readScript(url: URL): string {
  const source = readFileSync(url, "utf8");
  if (url.href.endsWith(".ts")) return stripTypeScriptTypes(source);
  return source.replace(/^\/\/# sourceMappingURL=.*$/m, "");
}
