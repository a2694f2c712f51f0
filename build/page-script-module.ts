/** What takes the place of src/report/page/page-script.ts in what is built: the scripts of pages as texts. */

import { pageScript, plannerScript } from "../src/report/page/page-script.ts";

export function pageScriptModule(): string {
  return [
    "/** The scripts of pages, made from browser/ when this was built. */",
    `const PAGE_SCRIPT = ${JSON.stringify(pageScript())};`,
    `const PLANNER_SCRIPT = ${JSON.stringify(plannerScript())};`,
    "export const pageScript = () => PAGE_SCRIPT;",
    "export const plannerScript = () => PLANNER_SCRIPT;",
    "",
  ].join("\n");
}
