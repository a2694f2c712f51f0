import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";

/**
 * Holds `actual` against the golden file `url`. After a change that is meant, `UPDATE_GOLDEN=1 npm test` writes the
 * files anew, and the diff is for the reviewer to read.
 */
export function assertGolden(url: URL, actual: string): void {
  if (process.env["UPDATE_GOLDEN"] === "1") {
    mkdirSync(new URL(".", url), { recursive: true });
    writeFileSync(url, actual);
  }
  assert.equal(actual, readFileSync(url, "utf8"));
}

/** The same for JSON: which version made it, where and when, is left out. */
export function assertGoldenJson(url: URL, actual: string): void {
  assertGolden(url, timeless(actual));
}

/** JSON without the version that made it, the host's name and the time. */
export function timeless(json: string): string {
  return json.replaceAll(/^( {2}"(?:version|host|time)": )"[^"]*"/gm, '$1"..."');
}
