/**
 * Takes a picture of each page in light, dark, narrow and on paper, to be looked at: `node test/browser/screenshots.ts FOLDER`.
 * What a test can say of pages, page.test.ts and planner.test.ts say.
 */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { inspectMachine } from "../../src/inspect/inspect.ts";
import { pagingModels } from "../../src/layout/paging.ts";
import { renderHtml } from "../../src/report/page/html.ts";
import { renderPlanner } from "../../src/report/page/planner-page.ts";
import { inspectionPicture } from "../../src/report/picture/drawing/inspection-picture.ts";
import { planInput, type PlanInput } from "../../src/report/picture/drawing/planner.ts";
import { writeCrowd } from "../support/crowd.ts";
import { findChromium, startChromium } from "./chromium.ts";

const EMPTY: PlanInput = { size: "", areas: "", arch: "x86-64", physical: "", guest: "", holes: "" };
const GB200: PlanInput = { ...EMPTY, size: "256G", areas: "0:0x2f00f00000" };

/** How each page is looked at: the width of the window, the scheme, the medium. */
const LOOKS = {
  light: { width: 1280, colorScheme: "light", media: "screen" },
  dark: { width: 1280, colorScheme: "dark", media: "screen" },
  narrow: { width: 390, colorScheme: "light", media: "screen" },
  print: { width: 794, colorScheme: "dark", media: "print" },
} as const;

/** The pages by name, each with what stands behind its address. */
function pagesIn(folder: string): readonly (readonly [name: string, text: string, hash: string])[] {
  const machine = new URL("../machines/x86-mixed", import.meta.url).pathname;
  const mixed = inspectMachine({ proc: `${machine}/proc`, sys: `${machine}/sys` });
  const crowd = inspectMachine(writeCrowd(join(folder, "crowd")));
  const { drawing } = planInput(GB200);
  const drawings = drawing === null ? [] : [drawing];
  const model = pagingModels["x86-64"];
  const title = drawing?.title ?? model.name;
  return [
    ["plan", renderHtml({ title, notes: drawing?.notes ?? [], drawings }), ""],
    ["plan-zoomed", renderHtml({ title, notes: [], drawings }), "#drawing-1=0x2eff000000-0x2f01800000,3"],
    ["inspect", renderHtml(inspectionPicture(mixed, true)), ""],
    ["inspect-crowd", renderHtml(inspectionPicture(crowd, false)), ""],
    ["planner", renderPlanner(EMPTY), ""],
    ["planner-guest", renderPlanner({ ...GB200, guest: "0x3800000000", holes: "0x2000:4K" }), ""],
    ["planner-problem", renderPlanner({ ...GB200, size: "12X", physical: "7" }), ""],
  ];
}

const found = findChromium();
if ("missing" in found) throw new Error(found.missing);
const [out = "screenshots"] = process.argv.slice(2);
mkdirSync(out, { recursive: true });
const folder = mkdtempSync(join(tmpdir(), "hugebar-screenshots-"));
const browser = await startChromium(found.path);
try {
  const page = await browser.context.newPage();
  for (const [name, text, hash] of pagesIn(folder)) {
    const path = join(folder, `${name}.html`);
    writeFileSync(path, text);
    for (const [look, { width, colorScheme, media }] of Object.entries(LOOKS)) {
      await page.setViewportSize({ width, height: 900 });
      await page.emulateMedia({ colorScheme, media });
      await page.goto("about:blank");
      await page.goto(`${pathToFileURL(path).href}${hash}`);
      // Two frames, and as long as a step of the view takes: then all stands still.
      await page.waitForTimeout(400);
      await page.screenshot({ path: join(out, `${name}-${look}.png`), fullPage: true });
    }
  }
} finally {
  await browser.close();
  rmSync(folder, { recursive: true });
}
