/** This package's version; in the executable it is part of the build. */

import { readFileSync } from "node:fs";

export function version(): string {
  const text = readFileSync(new URL("../package.json", import.meta.url), "utf8");
  const content: unknown = JSON.parse(text);
  const isPackage = typeof content === "object" && content !== null && "version" in content;
  return isPackage ? String(content.version) : "of an unknown version";
}
