/** What axe-core finds on a page. */

import axe from "axe-core";
import type { Page } from "playwright-core";

/** A line for each rule that something on the page breaks, with what it is. */
export async function accessibilityProblems(page: Page): Promise<string[]> {
  // By the debugger: the page's own policy lets no other script in.
  await page.evaluate(`${axe.source}; undefined`);
  const found: unknown = await page.evaluate(`
    axe.run().then(({ violations }) =>
      violations.map(({ id, help, nodes }) => id + ": " + help + ": " + nodes.map(({ html }) => html).join(" ")))`);
  return Array.isArray(found) ? found.map(String) : [`no answer: ${String(found)}`];
}
