/** How pages bear what nobody expects: narrow windows, long and hostile names, high contrast, no motion. */

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, describe, it } from "node:test";
import { pathToFileURL } from "node:url";
import type { Page } from "playwright-core";
import { inspectMachine } from "../../src/inspect/inspect.ts";
import type { Inspection } from "../../src/inspect/inspection.ts";
import { renderHtml } from "../../src/report/page/html.ts";
import { renderPlanner } from "../../src/report/page/planner-page.ts";
import { HOSTILE } from "../../src/report/picture/drawing/hostile.fixture.ts";
import { inspectionPicture } from "../../src/report/picture/drawing/inspection-picture.ts";
import { renderSvg } from "../../src/report/picture/media/svg.ts";
import { writeCrowd } from "../support/crowd.ts";
import { accessibilityProblems } from "./accessibility.ts";
import { findChromium, startChromium, type Browser } from "./chromium.ts";

const machine = new URL("../machines/x86-mixed", import.meta.url).pathname;
const GB200 = { size: "256G", areas: "0:0x2f00f00000", arch: "x86-64", physical: "", guest: "", holes: "" };
const LONG_PATH = `/dev/${"a-path-that-does-not-end/".repeat(16)}`;

/** The machine's processes and devices under names that harm, or that have no end. */
function renamed(inspection: Inspection, command: string, device: string): Inspection {
  const processes = inspection.processes.map((process) => ({
    ...process,
    command,
    mappings: process.mappings.map((mapping) => ({
      ...mapping,
      identity: { ...mapping.identity, device },
    })),
  }));
  return { ...inspection, host: command, processes };
}

const found = findChromium();

describe("looks in Chromium", { skip: "missing" in found ? `left out: ${found.missing}` : false }, () => {
  let browser: Browser;
  let folder: string;
  let page: Page;
  const complaints: string[] = [];

  before(async () => {
    assert.ok("path" in found);
    folder = mkdtempSync(join(tmpdir(), "hugebar-looks-"));
    const mixed = inspectMachine({ proc: `${machine}/proc`, sys: `${machine}/sys` });
    const long = inspectionPicture(renamed(mixed, "n".repeat(300), LONG_PATH), true);
    const hostile = inspectionPicture(renamed(mixed, `${HOSTILE}\nsecond line`, HOSTILE), true);
    const pages = {
      "crowd.html": renderHtml(inspectionPicture(inspectMachine(writeCrowd(join(folder, "crowd"))), false)),
      "long.html": renderHtml(long),
      "hostile.html": renderHtml(hostile),
      "hostile.svg": renderSvg(hostile),
      "long.svg": renderSvg(long),
      "planner.html": renderPlanner(GB200),
    };
    for (const [name, text] of Object.entries(pages)) writeFileSync(join(folder, name), text);
    browser = await startChromium(found.path);
    page = await browser.context.newPage();
    page.on("pageerror", (error) => complaints.push(`error: ${error.message}`));
    page.on("console", (message) => complaints.push(`console: ${message.text()}`));
    await browser.context.setOffline(true);
  });
  after(async () => {
    await browser.close();
    rmSync(folder, { recursive: true });
  });
  beforeEach(async () => {
    await page.setViewportSize({ width: 1280, height: 900 });
    await page.emulateMedia({ colorScheme: "light", forcedColors: "none", reducedMotion: "no-preference" });
  });

  async function open(name: string): Promise<void> {
    await page.goto("about:blank");
    await page.goto(`${pathToFileURL(folder).href}/${name}`);
    if (name.endsWith(".html")) await page.locator(".lively").waitFor();
  }
  /** On which sides the first table has more than it shows, as the page marks it. */
  const marked = async (wanted: string | null): Promise<void> => {
    await page.waitForFunction(
      (sides) => document.querySelector(".scroll")?.getAttribute("data-more") === sides,
      wanted,
    );
  };
  const styleOf = (selector: string, property: string): Promise<string> =>
    page
      .locator(selector)
      .first()
      .evaluate((element, name) => getComputedStyle(element).getPropertyValue(name), property);

  it("shows on which side a table has more, and says so where the window is narrow", async () => {
    await open("crowd.html");
    await marked(null);
    const words = page.locator(".summary .sideways").first();
    assert.ok(!(await words.isVisible()));
    await page.setViewportSize({ width: 390, height: 900 });
    await marked("right");
    assert.ok(await words.isVisible());
    assert.notEqual(await styleOf(".scroll", "box-shadow"), "none");
    const table = page.locator(".scroll").first();
    await table.evaluate((element) => element.scrollTo({ left: 100 }));
    await marked("both");
    await table.evaluate((element) => element.scrollTo({ left: element.scrollWidth }));
    await marked("left");
    assert.ok(await page.locator(".summary tbody td").nth(6).isVisible());
    // The keys do it too.
    await table.focus();
    await page.keyboard.press("ArrowLeft");
    await marked("both");
    assert.deepEqual(await accessibilityProblems(page), []);
    await page.setViewportSize({ width: 1280, height: 900 });
    await marked(null);
  });

  it("marks the tables of a plan that is typed anew", async () => {
    await open("planner.html");
    await page.setViewportSize({ width: 390, height: 900 });
    await marked("right");
    await page.getByLabel("Size of the region").fill("512G");
    await page.locator("#plan h2", { hasText: "Region of 512 GiB" }).waitFor();
    await marked("right");
  });

  it("keeps the columns of the summary in reach, however long the names are", async () => {
    for (const name of ["long.html", "hostile.html"]) {
      for (const width of [1280, 390]) {
        await page.setViewportSize({ width, height: 900 });
        await open(name);
        const widths = await page.evaluate(() => [
          document.documentElement.scrollWidth - window.innerWidth,
          document.querySelector(".rows")?.getBoundingClientRect().width ?? 0,
        ]);
        assert.ok(
          (widths[0] ?? 1) <= 0 && (widths[1] ?? 0) <= Math.max(900, width),
          `${name} ${width} ${widths.join()}`,
        );
      }
    }
    assert.equal(await page.evaluate(() => "pwned" in globalThis), false);
    assert.equal(await page.locator("img, script:not([type])").count(), 0);
    for (const name of ["hostile.svg", "long.svg"]) {
      await open(name);
      assert.equal(await page.evaluate(() => document.querySelector("parsererror, script, img")), null);
      assert.equal(await page.evaluate(() => "pwned" in globalThis), false);
      const right = await page.evaluate(() =>
        Math.max(...[...document.querySelectorAll("text")].map((text) => text.getBoundingClientRect().right)),
      );
      assert.ok(right <= 1200, `${name}: ${right}`);
    }
  });

  it("tells in high contrast which strip is chosen, where is pointed at and what is in view", async () => {
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ forcedColors: "active", colorScheme });
      await open("planner.html");
      const colours = (selector: string) => styleOf(selector, "background-color");
      const [chosen, other] = [".strip button[aria-pressed=true]", ".strip button[aria-pressed=false]"];
      assert.notEqual(await colours(chosen), await colours(other), colorScheme);
      const canvas = await colours("html");
      const box = await page.locator("svg.bar").last().boundingBox();
      assert.ok(box !== null);
      await page.mouse.move(box.x + 100, box.y + 10);
      assert.notEqual(await colours(".cursor"), canvas, colorScheme);
      assert.notEqual(await styleOf(".overview .thumb", "fill"), await styleOf(".overview rect", "fill"));
      // What is drawn takes the colours that are set, and not those of our own.
      assert.equal(await styleOf(".seams, .meeting, .virtual", "stroke"), canvas);
      assert.equal(await styleOf(".edges", "stroke"), await styleOf("html", "color"));
    }
  });

  it("goes to a view at once for who wants no motion", async () => {
    const firstFrame = async (reducedMotion: "reduce" | "no-preference"): Promise<string> => {
      await page.emulateMedia({ reducedMotion });
      await open("planner.html");
      await page.locator(".status", { hasText: "256 GiB of 256 GiB" }).waitFor({ state: "attached" });
      return page.evaluate(async () => {
        const button = document.querySelector("button[data-action=in]");
        if (button instanceof HTMLElement) button.click();
        await new Promise((resolve) => {
          requestAnimationFrame(resolve);
        });
        return document.querySelector(".view-text")?.textContent ?? "";
      });
    };
    assert.match(await firstFrame("reduce"), /: 64 GiB of 256 GiB$/);
    assert.doesNotMatch(await firstFrame("no-preference"), /: 64 GiB of 256 GiB$/);
  });

  it("never complained", () => {
    assert.deepEqual(complaints, []);
  });
});
