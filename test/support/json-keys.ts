/** Holding what the tool prints as JSON against docs/json.md. */

import { readFileSync } from "node:fs";

const manual = readFileSync(new URL("../../docs/json.md", import.meta.url), "utf8");

/** The verbs whose JSON docs/json.md lists. */
export const documentedVerbs: readonly string[] = [...manual.matchAll(/^## `hugebar (?<verb>\w+)`$/gm)].map(
  ({ groups }) => groups?.["verb"] ?? "",
);

/** The keys that docs/json.md lists for a verb. */
export function documentedKeys(verb: string): string[] {
  const [, section = ""] = manual.split(`\n## \`hugebar ${verb}\`\n`);
  const [table = ""] = section.split("\n## ");
  return [...table.matchAll(/^\| `(?<key>[^`]+)` \|/gm)].map(({ groups }) => groups?.["key"] ?? "").sort();
}

/** The paths of all keys of a JSON text: `strategies[].leaves[].size`. */
export function keysOf(text: string): string[] {
  const keys = new Set<string>();
  const visit = (value: unknown, path: string): void => {
    if (Array.isArray(value)) {
      for (const item of value) visit(item, `${path}[]`);
    } else if (typeof value === "object" && value !== null) {
      for (const [key, inner] of Object.entries(value)) {
        const inside = path === "" ? key : `${path}.${key}`;
        keys.add(inside);
        visit(inner, inside);
      }
    }
  };
  visit(JSON.parse(text), "");
  return [...keys].sort();
}
