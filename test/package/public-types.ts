/** Reads a package's declarations: what its public signatures and their docstrings mention, and whether a user has it. */

import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** A family of constants; what a docstring names with a header belongs to that. */
const FAMILY = /\b[A-Z]\w*_…(?! of linux\/)/g;

/** A name that a file exports, be it declared there or only passed on. */
interface Exported {
  readonly file: string;
  readonly name: string;
}

/** The types that public signatures mention and `index.d.ts` does not export: `Region mentions RegionFile`. */
export function unnameableTypes(dist: string): string[] {
  const seen = publicNames(dist).map(declarationOf);
  const known = new Set(seen.map(({ file, name }) => `${file} ${name}`));
  return seen.flatMap((declared) =>
    mentioned(declared)
      .map(declarationOf)
      .filter(({ file, name }) => !known.has(`${file} ${name}`))
      .map(({ name }) => `${declared.name} mentions ${name}`),
  );
}

/** The families of constants that its docstrings send to (`PCI_COMMAND_…`) and of which it exports none. */
export function missingConstants(dist: string): string[] {
  const names = publicNames(dist);
  const families = names
    .map(declarationOf)
    .flatMap(({ file, name }) => withoutInternals(textOf(file, name) ?? "").match(FAMILY) ?? []);
  return [...new Set(families)]
    .map((family) => family.slice(0, -1))
    .filter((prefix) => !names.some(({ name }) => name.startsWith(prefix)));
}

/** What a program can import, by the name it has where it is declared. */
export function publicNames(dist: string): Exported[] {
  return passedOn(join(dist, "index.d.ts"));
}

/** The names of `export { A, type B } from "./file.js"`, and of imports of the same form. */
function passedOn(file: string, keyword = "export"): Exported[] {
  const form = new RegExp(`^${keyword} (?:type )?\\{([^}]*)\\} from "(\\.[^"]+)";`, "gm");
  return [...readFileSync(file, "utf8").matchAll(form)].flatMap(([, names = "", from = ""]) =>
    names
      .split(",")
      .map((name) => name.trim().replace(/^type /, ""))
      .filter((name) => name !== "")
      .map((name) => ({ file: declarationFile(file, from), name })),
  );
}

function declarationFile(importer: string, from: string): string {
  return join(dirname(importer), from.replace(/\.[jt]s$/, ".d.ts"));
}

/** Where it is declared, through files that only pass it on. */
function declarationOf({ file, name }: Exported): Exported {
  if (textOf(file, name) !== null) return { file, name };
  const further = [...passedOn(file), ...passedOn(file, "import")].find((passed) => passed.name === name);
  if (further === undefined) throw new Error(`${file} has no ${name}`);
  return declarationOf(further);
}

/** A declaration's text, up to the next one of the file; null where the file has none of that name. */
function textOf(file: string, name: string): string | null {
  const start = `^(?:export )?(?:declare )?(?:abstract )?(?:class|interface|type|function|const) ${name}\\b`;
  const whole = new RegExp(
    `${start}[^]*?(?=^(?:export|declare|import|interface|type|/\\*\\*)|$(?![^]))`,
    "m",
  );
  return whole.exec(readFileSync(file, "utf8"))?.[0] ?? null;
}

/** The types of this package that a declaration mentions. */
function mentioned({ file, name }: Exported): Exported[] {
  const text = withoutInternals(textOf(file, name) ?? "").replace(/\/\*[^]*?\*\//g, "");
  const inline = [...text.matchAll(/import\("(\.[^"]+)"\)\.(\w+)/g)].map(([, from = "", type = ""]) => ({
    file: declarationFile(file, from),
    name: type,
  }));
  const imported = passedOn(file, "import");
  // What stands behind `typeof` is a value, and its type has a name of its own.
  const words = new Set(text.replace(/"[^"\n]*"/g, "").match(/(?<!typeof )\b[A-Z]\w*/g));
  const named = [...words].flatMap(
    (word) =>
      imported.find((one) => one.name === word) ??
      (word !== name && textOf(file, word) !== null ? { file, name: word } : []),
  );
  return [...inline, ...named];
}

/** Without the members whose comment says `@internal`: they are there for this package's own files. */
function withoutInternals(text: string): string {
  const at = text.search(/\/\*\*[\s*]*@internal/);
  if (at === -1) return text;
  let depth = 0;
  for (let end = text.indexOf("*/", at) + 2; end < text.length; end += 1) {
    const character = text[end] ?? "";
    if ("({".includes(character)) depth += 1;
    if (")}".includes(character)) depth -= 1;
    if (character === ";" && depth === 0) return text.slice(0, at) + withoutInternals(text.slice(end + 1));
  }
  return text.slice(0, at);
}
