import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { pathToFileURL } from "node:url";
import type { Page } from "playwright-core";
import { HOSTILE } from "../../src/report/picture/drawing/hostile.fixture.ts";
import { pagingModels } from "../../src/layout/paging.ts";
import { inspectMachine } from "../../src/inspect/inspect.ts";
import { planRegion } from "../../src/layout/plan.ts";
import { drawRegion } from "../../src/report/picture/drawing/drawing.ts";
import type { Picture } from "../../src/report/picture/drawing/picture.ts";
import { renderHtml } from "../../src/report/page/html.ts";
import { inspectionPicture } from "../../src/report/picture/drawing/inspection-picture.ts";
import { planStrip } from "../../src/report/picture/drawing/plan-strip.ts";
import { renderSvg } from "../../src/report/picture/media/svg.ts";
import { buildTool, type BuiltTool } from "../process/built-tool.ts";
import { writeCrowd } from "../support/crowd.ts";
import { accessibilityProblems } from "./accessibility.ts";
import { findChromium, startChromium, type Browser } from "./chromium.ts";

const GIB = 2 ** 30;
const model = pagingModels["x86-64"];

/** A region as `hugebar plan` draws it. */
function pictureOf(title: string, size: number, areas: readonly { offset: number; size: number }[]): Picture {
  const region = { size, areas };
  const strips = (["none", "area", "region"] as const).map((strategy) =>
    planStrip(planRegion(region, strategy, model), region, model),
  );
  return {
    title,
    notes: [title],
    drawings: [drawRegion({ title, notes: [title], size, physical: 0n, gapName: "gap" }, strips, model)],
  };
}

/** A thousand areas, none of them like its neighbour. */
const THOUSAND = Array.from({ length: 1000 }, (_, index) => ({
  offset: index * 2 ** 28 + (index % 7) * 2 ** 20,
  size: 2 ** 27 + (index % 5) * 4096,
}));

/** A hundred thousand, all alike, and no two alike: sizes and distances of up to 8 MiB from a sequence that does not repeat. */
const HUNDRED_THOUSAND = {
  "all alike": Array.from({ length: 100_000 }, (_, index) => ({ offset: index * 2 ** 24, size: 2 ** 22 })),
  "none alike": unlikeAreas(100_000),
};

function unlikeAreas(count: number): { offset: number; size: number }[] {
  let state = 1;
  const next = (): number => {
    state = (state * 48_271) % 2_147_483_647;
    return (1 + (state % 2048)) * 4096;
  };
  let end = 0;
  return Array.from({ length: count }, () => {
    const offset = end + next();
    const size = next();
    end = offset + size;
    return { offset, size };
  });
}

const found = findChromium();

describe("the page in Chromium", { skip: "missing" in found ? `left out: ${found.missing}` : false }, () => {
  let browser: Browser;
  let tool: BuiltTool;
  let folder: string;
  let page: Page;
  /** What must stay empty: errors, messages, and requests for anything but the page itself. */
  const complaints: string[] = [];

  before(async () => {
    assert.ok("path" in found);
    folder = mkdtempSync(join(tmpdir(), "hugebar-page-"));
    const crowd = inspectMachine(writeCrowd(join(folder, "crowd")));
    writeFileSync(join(folder, "crowd.html"), renderHtml(inspectionPicture(crowd, false)));
    tool = buildTool();
    browser = await startChromium(found.path);
    page = await browser.context.newPage();
    page.on("pageerror", (error) => complaints.push(`error: ${error.message}`));
    page.on("console", (message) => complaints.push(`console: ${message.text()}`));
    page.on("dialog", (dialog) => {
      complaints.push(`dialog: ${dialog.message()}`);
      void dialog.dismiss();
    });
    await page.route("**/*", async (route) => {
      const url = route.request().url();
      if (url.startsWith(pathToFileURL(folder).href)) return route.continue();
      complaints.push(`request: ${url}`);
      return route.abort();
    });
    await browser.context.setOffline(true);
  });
  after(async () => {
    await browser.close();
    rmSync(folder, { recursive: true });
  });

  async function open(name: string, text: string): Promise<void> {
    const path = join(folder, name);
    writeFileSync(path, text);
    await page.goto(pathToFileURL(path).href);
  }

  async function openGb200(): Promise<void> {
    const picture = pictureOf("Region of 256 GiB", 2 ** 38, [{ offset: 0, size: 0x2f00f00000 }]);
    await open("gb200.html", renderHtml(picture));
    await shows("0x0 – 0x4000000000: 256 GiB of 256 GiB");
  }

  const viewText = () => page.locator(".view-text").innerText();
  /** Waits until the view is this one and stands still: then the list of parts has followed. */
  async function shows(view: string): Promise<void> {
    await page.waitForFunction(
      (wanted) => document.querySelector(".status")?.textContent?.startsWith(`${wanted};`),
      view,
    );
  }
  const rowOf = (table: string, row: number) =>
    page.locator(`${table} tbody tr`).nth(row).locator("th,td").allInnerTexts();

  async function barBox(): Promise<{ x: number; y: number; width: number; height: number }> {
    const box = await page.locator("svg.bar").last().boundingBox();
    assert.ok(box);
    return box;
  }

  it("opens from a file that the built tool wrote, without a network", async () => {
    const path = join(folder, "built.html");
    const { stderr, status } = tool.run([
      "plan",
      "--size",
      "256G",
      "--area",
      "0:0x2f00f00000",
      "--arch",
      "x86-64",
      "-o",
      path,
    ]);
    assert.deepEqual([status, stderr], [0, ""]);
    await page.goto(pathToFileURL(path).href);
    await shows("0x0 – 0x4000000000: 256 GiB of 256 GiB");
    assert.deepEqual(await page.locator(".number").allInnerTexts(), [
      "49,286,912",
      "376.8 MiB",
      "49,286,912",
      "376.8 MiB",
      "451",
      "8 KiB",
    ]);
    assert.deepEqual(await page.locator("#drawing-1-strip-3 .part-label").allTextContents(), [
      "188 × 1 GiB",
      "7 × 2 MiB",
      "256 × 4 KiB",
      "68 GiB gap",
    ]);
    assert.deepEqual(complaints, []);
  });

  it("tells exact values of what is pointed at", async () => {
    await openGb200();
    const { x, y, width } = await barBox();
    await page.mouse.move(x + width / 4, y + 20);
    assert.match(await page.locator(".point caption").innerText(), /^Pointed at: 0x10000\w{5} \(64 GiB\)$/);
    assert.deepEqual(await rowOf(".point", 2), [
      "region",
      "1 GiB leaf",
      "0x1000000000 – 0x1040000000",
      "1 GiB",
      "",
    ]);
    const [, leaf, , congruent] = await rowOf(".point", 0);
    assert.deepEqual([leaf, congruent], ["4 KiB leaf", "4 KiB"]);
    await page.mouse.move(x + width * 0.9, y + 20);
    assert.deepEqual(await rowOf(".point", 2), ["region", "gap", "0x2f00f00000 – 0x4000000000", "", ""]);
  });

  it("points at a part of 1 MiB in 256 GiB where it is drawn", async () => {
    await openGb200();
    const { x, y, width } = await barBox();
    const edges = await page.locator("#drawing-1-strip-3 path.pte").evaluate((path) => {
      const [, left = "", length = ""] = /^M([\d.]+) \d+h([\d.]+)/.exec(path.getAttribute("d") ?? "") ?? [];
      return [Number(left), Number(length)];
    });
    const [left = 0, length = 0] = edges;
    assert.ok(length >= 3, `${length}`);
    await page.mouse.move(x + left + length / 2, y + 20);
    assert.equal((await rowOf(".point", 2))[1], "4 KiB leaf");
    assert.ok(left < width);
  });

  it("zooms with the wheel about what is pointed at, down to one page, and back", async () => {
    await openGb200();
    const { x, y, width } = await barBox();
    await page.mouse.move(x + width / 3, y + 20);
    const before = await page.locator(".point caption").innerText();
    await page.keyboard.down("Control");
    for (let turn = 0; turn < 120; turn += 1) await page.mouse.wheel(0, -150);
    await page.waitForFunction(() =>
      /: 4 KiB of/.test(document.querySelector(".view-text")?.textContent ?? ""),
    );
    const offset = Number(/0x\w+/.exec(before)?.[0]);
    const [from, to] = [...(await viewText()).matchAll(/0x\w+/g)].map(([text]) => Number(text));
    assert.ok(
      from !== undefined && to !== undefined && from <= offset && offset <= to,
      `${before} ${from} ${to}`,
    );
    for (let turn = 0; turn < 120; turn += 1) await page.mouse.wheel(0, 150);
    await page.keyboard.up("Control");
    await shows("0x0 – 0x4000000000: 256 GiB of 256 GiB");
  });

  it("scrolls by the wheel, and zooms by it where the strip has the focus, until Escape", async () => {
    await page.setViewportSize({ width: 1280, height: 560 });
    await openGb200();
    const whole = /^0x0 – 0x4000000000/;
    await page.mouse.move(640, 300);
    await page.mouse.wheel(0, 250);
    await page.waitForFunction(() => window.scrollY === 250);
    // Now over the strips.
    const { x, y } = await barBox();
    await page.mouse.move(x + 200, y + 10);
    await page.mouse.wheel(0, -50);
    await page.waitForFunction(() => window.scrollY === 200);
    assert.match(await viewText(), whole);
    const box = await barBox();
    await page.mouse.click(box.x + 200, box.y + 10);
    await page.mouse.wheel(0, -150);
    await page.waitForFunction(
      () => !(document.querySelector(".view-text")?.textContent ?? "").startsWith("0x0 – 0x4000000000"),
    );
    assert.equal(await page.evaluate(() => window.scrollY), 200);
    await page.keyboard.press("0");
    await shows("0x0 – 0x4000000000: 256 GiB of 256 GiB");
    await page.keyboard.press("Escape");
    await page.mouse.wheel(0, 50);
    await page.waitForFunction(() => window.scrollY === 250);
    assert.match(await viewText(), whole);
    await page.setViewportSize({ width: 1280, height: 1000 });
  });

  it("keeps the view in its address: who opens it sees the same, and Back goes back", async () => {
    await openGb200();
    const whole = "0x0 – 0x4000000000: 256 GiB of 256 GiB";
    await page.getByRole("button", { name: "Zoom in" }).click();
    await page.waitForURL("**/gb200.html#drawing-1=0x1800000000-0x2800000000,3");
    await page.getByRole("button", { name: "area", exact: true }).click();
    await page.waitForURL("**/gb200.html#drawing-1=0x1800000000-0x2800000000,2");
    await page.getByRole("button", { name: "whole region" }).click();
    await page.waitForURL("**/gb200.html#drawing-1=0x0-0x4000000000,2");
    await page.goBack();
    await shows("0x1800000000 – 0x2800000000: 64 GiB of 256 GiB");
    const address = page.url();
    await page.goBack();
    await page.goBack();
    await shows(whole);
    assert.ok(!page.url().includes("#"));
    await page.goForward();
    await shows("0x1800000000 – 0x2800000000: 64 GiB of 256 GiB");
    await page.goto("about:blank");
    await page.goto(address);
    await shows("0x1800000000 – 0x2800000000: 64 GiB of 256 GiB");
    assert.equal(await page.locator(".parts caption").innerText(), "1 part of area in view");
    // What names nothing shows everything.
    await page.goto("about:blank");
    await page.goto(address.replace(/#.*/, "#drawing-1=0x0-0x9999999999999,1&%"));
    await shows(whole);
  });

  it("counts what is in view", async () => {
    await openGb200();
    await page.getByRole("button", { name: "Zoom in" }).click();
    await shows("0x1800000000 – 0x2800000000: 64 GiB of 256 GiB");
    assert.deepEqual(await page.locator("#drawing-1-strip-3 .part-label").allTextContents(), [
      "64 of 188 × 1 GiB",
    ]);
    assert.deepEqual((await rowOf(".parts", 0)).at(-1), "64 of 188 × 1 GiB");
    assert.match(
      (await page.locator("#drawing-1-strip-3 svg").getAttribute("aria-label")) ?? "",
      /^region, in view: 64 of 188 × 1 GiB$/,
    );
    assert.match(
      (await page.locator("#drawing-1-axis").getAttribute("aria-label")) ?? "",
      /0x1800000000 – 0x2800000000/,
    );
  });

  describe("of 123 virtual machines", () => {
    before(async () => {
      await page.goto(pathToFileURL(join(folder, "crowd.html")).href);
    });

    it("opens with whose machine it is, what it comes to, and the worst", async () => {
      const facts = await page.locator(".facts dd").allInnerTexts();
      assert.deepEqual(facts.slice(0, 3), ["host-17", "2026-11-20 08:15:42 UTC", "Linux 6.18.3"]);
      assert.match(facts.at(-1) ?? "", /^\d+\.\d+\.\d+/);
      assert.equal(await page.locator(".headline").innerText(), "50 of 123 regions fall short");
      assert.deepEqual(await page.locator(".verdicts .badge").allInnerTexts(), ["small", "partial", "huge"]);
      const rows = page.locator(".summary > .scroll tbody tr");
      assert.equal(await rows.count(), 20);
      const verdicts = await rows.locator(".badge").allInnerTexts();
      assert.deepEqual(verdicts, [
        ...new Array<string>(9).fill("small"),
        ...new Array<string>(11).fill("partial"),
      ]);
    });

    it("folds what is more, what is good and what could not be read", async () => {
      const folds = page.locator(".summary > details");
      assert.deepEqual(await folds.locator("summary").allInnerTexts(), [
        "30 more that fall short",
        "73 as good as possible",
        "2 processes not looked at",
      ]);
      assert.ok(!(await folds.nth(1).locator("table").isVisible()));
      await folds.nth(1).locator("summary").click();
      assert.equal(await folds.nth(1).locator("tbody tr").count(), 73);
      assert.ok(await folds.nth(1).locator("table").isVisible());
      await folds.nth(1).locator("summary").click();
    });

    it("has all of the summary on paper, where nothing can be unfolded", async () => {
      const folds = page.locator(".summary > details");
      const shown = async (): Promise<boolean[]> =>
        Promise.all((await folds.all()).map(async (fold) => fold.locator("table, ul").first().isVisible()));
      await page.evaluate(() => window.dispatchEvent(new Event("beforeprint")));
      assert.deepEqual(await shown(), [true, true, true]);
      await page.evaluate(() => window.dispatchEvent(new Event("afterprint")));
      assert.deepEqual(await shown(), [false, false, false]);
    });

    it("says what to do, how to read it and how to get about once", async () => {
      for (const once of [".counsel > div", ".legend", "#help"]) {
        assert.equal(await page.locator(once).count(), 1, once);
      }
    });

    it("leads from a row to its strip, unfolds it, and back", async () => {
      const strip = page.locator("#drawing-12");
      assert.ok(!(await strip.locator(".viewer").isVisible()));
      await page.locator(".summary a[href='#drawing-12']").click();
      await strip.locator(".view-text", { hasText: "32 GiB of 32 GiB" }).waitFor();
      await strip.getByRole("button", { name: "Zoom in" }).click();
      await page.waitForURL("**/crowd.html#drawing-12=*");
      const address = page.url();
      await page.goBack();
      await strip.locator(".view-text", { hasText: "32 GiB of 32 GiB" }).waitFor();
      await page.goto("about:blank");
      await page.goto(address);
      await strip.locator(".view-text", { hasText: "8 GiB of 32 GiB" }).waitFor();
      await page.waitForFunction(() => window.scrollY > 0);
    });
  });

  it("leaves axe-core nothing to find, on wide and narrow windows, in light and dark", async () => {
    await openGb200();
    // Each page once wide and once narrow, and once in either scheme: a large one takes a while.
    for (const [name, width, colorScheme] of [
      ["gb200.html", 1280, "dark"],
      ["gb200.html", 390, "light"],
      ["crowd.html#drawing-12", 1280, "light"],
      ["crowd.html#drawing-12", 390, "dark"],
    ] as const) {
      await page.setViewportSize({ width, height: 900 });
      await page.emulateMedia({ colorScheme });
      await page.goto("about:blank");
      await page.goto(`${pathToFileURL(folder).href}/${name}`);
      await page.locator(".lively").waitFor();
      assert.deepEqual(await accessibilityProblems(page), [], `${name} ${width} ${colorScheme}`);
      assert.ok(
        await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth),
        `${name} ${width}`,
      );
    }
    await page.emulateMedia({ colorScheme: "light" });
    await page.setViewportSize({ width: 1280, height: 1000 });
  });

  it("zooms by buttons, and shows part after part", async () => {
    await openGb200();
    await page.getByRole("button", { name: "Zoom in" }).click();
    await shows("0x1800000000 – 0x2800000000: 64 GiB of 256 GiB");
    await page.getByRole("button", { name: "Zoom out" }).click();
    await shows("0x0 – 0x4000000000: 256 GiB of 256 GiB");
    const next = page.getByRole("button", { name: "next part" });
    for (const [leaves, view] of [
      ["188 × 1 GiB", /^0x0 – /],
      ["7 × 2 MiB", /^0x2effe00000 – 0x2f01000000: 18 MiB/],
      ["256 × 4 KiB", /1\.3 MiB of/],
    ] as const) {
      await next.click();
      await page.waitForFunction(
        ([source, flags]) =>
          new RegExp(source ?? "", flags).test(document.querySelector(".status")?.textContent ?? ""),
        [view.source, view.flags],
      );
      const cells = await page.locator(".parts tbody td").allInnerTexts();
      assert.ok(cells.includes(leaves), cells.join());
    }
    await page.getByRole("button", { name: "whole region" }).click();
    await shows("0x0 – 0x4000000000: 256 GiB of 256 GiB");
  });

  it("moves by dragging, and zooms to a stretch of the axis", async () => {
    await openGb200();
    const { x, y, width } = await barBox();
    const axis = await page.locator("svg.axis").boundingBox();
    assert.ok(axis);
    await page.mouse.move(x + width / 2, axis.y + 10);
    await page.mouse.down();
    await page.mouse.move(x + width * 0.75, axis.y + 10, { steps: 4 });
    assert.ok(await page.locator(".selection").isVisible());
    await page.mouse.up();
    await page.waitForFunction(() => document.querySelector(".status")?.textContent?.includes(": 64 GiB of"));
    assert.ok(!(await page.locator(".selection").isVisible()));
    const start = Number(/0x\w+/.exec(await viewText())?.[0]);
    await page.mouse.move(x + width / 2, y + 20);
    await page.mouse.down();
    await page.mouse.move(x + width / 2 + width / 4, y + 20, { steps: 4 });
    await page.mouse.up();
    await page.waitForFunction(
      (before) => Number(/0x\w+/.exec(document.querySelector(".view-text")?.textContent ?? "")?.[0]) < before,
      start,
    );
    const moved = start - Number(/0x\w+/.exec(await viewText())?.[0]);
    assert.ok(Math.abs(moved - 16 * GIB) < GIB / 4, `${moved}`);
  });

  it("does everything by keys", async () => {
    await openGb200();
    await page.keyboard.press("Tab");
    for (let tab = 0; tab < 5; tab += 1) await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement?.className), "viewer");
    await page.keyboard.press("+");
    await shows("0x1000000000 – 0x3000000000: 128 GiB of 256 GiB");
    await page.keyboard.press("ArrowRight");
    await shows("0x1400000000 – 0x3400000000: 128 GiB of 256 GiB");
    await page.keyboard.press("Shift+ArrowLeft");
    await shows("0x0 – 0x2000000000: 128 GiB of 256 GiB");
    await page.keyboard.press("End");
    await shows("0x2000000000 – 0x4000000000: 128 GiB of 256 GiB");
    await page.keyboard.press("-");
    await shows("0x0 – 0x4000000000: 256 GiB of 256 GiB");
    await page.keyboard.press("p");
    await page.waitForFunction(() => document.querySelector(".status")?.textContent?.includes("87.4 GiB of"));
    await page.keyboard.press("0");
    await shows("0x0 – 0x4000000000: 256 GiB of 256 GiB");
    await page.keyboard.press("ArrowUp");
    await page.waitForFunction(
      () => document.querySelector(".parts caption")?.textContent === "2 parts of area in view",
    );
    assert.equal(
      await page.getByRole("button", { name: "area", exact: true }).getAttribute("aria-pressed"),
      "true",
    );
  });

  it("says to those who do not see what it shows to those who do", async () => {
    await openGb200();
    const tree = await page.locator("main").ariaSnapshot();
    assert.match(tree, /application "Strips of Region of 256 GiB"/);
    assert.match(
      tree,
      /img "region, the whole region aligned: 188 leaves of 1 GiB, 7 leaves of 2 MiB, 256 leaves of 4 KiB; 451 faults, 8 KiB of page tables"/,
    );
    assert.match(tree, /rowheader "0x2f00e00000"/);
  });

  it("keeps to light, dark, narrow windows and paper", async () => {
    await openGb200();
    const background = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
    const light = await background();
    await page.emulateMedia({ colorScheme: "dark" });
    assert.notEqual(await background(), light);
    await page.emulateMedia({ colorScheme: "dark", media: "print" });
    assert.equal(await background(), "rgb(255, 255, 255)");
    assert.ok(!(await page.locator(".toolbar").isVisible()));
    await page.emulateMedia({ colorScheme: "light", media: "screen" });
    for (const width of [1600, 900, 390]) {
      await page.setViewportSize({ width, height: 900 });
      await page.waitForFunction(() => {
        const bar = document.querySelector("svg.bar");
        return bar?.getAttribute("viewBox")?.split(" ")[2] === String(bar?.getBoundingClientRect().width);
      });
      assert.ok(
        await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth),
        `${width}`,
      );
    }
    await page.setViewportSize({ width: 1280, height: 1000 });
  });

  it("zooms each of several drawings by itself, and tells real addresses", async () => {
    const root = new URL("../machines/gb200-64k", import.meta.url).pathname;
    const inspection = inspectMachine({ proc: `${root}/proc`, sys: `${root}/sys` });
    await open("inspection.html", renderHtml(inspectionPicture(inspection, true)));
    const [first, second] = await page.locator("section.drawing").all();
    assert.ok(first && second);
    const whole = "0x0 – 0x2f00f00000: 188 GiB of 188 GiB";
    await first.locator(".viewer").press("End");
    await first.locator(".viewer").press("+");
    await first.getByText("94 GiB of 188 GiB").first().waitFor();
    assert.equal(await second.locator(".view-text").innerText(), whole);
    await first.locator(".viewer").press("0");
    await first.getByText(whole).first().waitFor();
    const box = await first.locator("svg.bar").first().boundingBox();
    assert.ok(box);
    await page.mouse.move(box.x + 0.1, box.y + 20);
    const cells = await first.locator(".point tbody tr").first().locator("th,td").allInnerTexts();
    const address = inspection.processes[0]?.mappings[0]?.vmas[0]?.start;
    const [from, told] = [Number(cells[2]?.split(" ")[0]), BigInt(cells[4] ?? 0)];
    assert.ok(
      address !== undefined && told - address - BigInt(from) < 0x10000n && told >= address,
      cells.join(" | "),
    );
    assert.deepEqual([cells[0], cells[1], cells[3]], ["now", "64 KiB leaf", "16 MiB"]);
  });

  it("takes names as text, whatever they say", async () => {
    const picture = pictureOf(HOSTILE, 2 ** 30, [{ offset: 0, size: 2 ** 29 }]);
    for (const drawing of picture.drawings) {
      for (const strip of drawing.strips) Object.assign(strip, { name: HOSTILE, about: HOSTILE });
    }
    await open("hostile.html", renderHtml(picture));
    await shows("0x0 – 0x40000000: 1 GiB of 1 GiB");
    assert.match(await page.locator("h1").innerText(), /^<\/title><\/script><script>/);
    assert.equal(await page.evaluate(() => "pwned" in globalThis), false);
    assert.equal(await page.locator("img, script:not([type])").count(), 0);
    await open("hostile.svg", renderSvg(picture));
    assert.equal(await page.evaluate(() => document.querySelector("parsererror, script, img")), null);
    assert.equal(await page.evaluate(() => document.documentElement.tagName), "svg");
    assert.equal(await page.evaluate(() => "pwned" in globalThis), false);
  });

  it("zooms through 1,000 areas with a fixed number of nodes; frames a second are printed", async (test) => {
    await open("thousand.html", renderHtml(pictureOf("1,000 areas", 2 ** 38, THOUSAND)));
    await shows("0x0 – 0x4000000000: 256 GiB of 256 GiB");
    const { frames, milliseconds, nodes } = await page.evaluate(async () => {
      const viewer = document.querySelector(".viewer");
      const box = document.querySelector("svg.bar")?.getBoundingClientRect();
      if (viewer === null || box === undefined) throw new Error("no viewer");
      const frame = () => new Promise<number>((resolve) => requestAnimationFrame(resolve));
      let nodes = 0;
      const start = await frame();
      let end = start;
      for (let turn = 0; turn < 240; turn += 1) {
        viewer.dispatchEvent(
          new WheelEvent("wheel", {
            deltaY: turn < 120 ? -40 : 41,
            clientX: box.left + box.width * 0.37,
            clientY: box.top + 8,
            ctrlKey: true,
            bubbles: true,
            cancelable: true,
          }),
        );
        end = await frame();
        nodes = Math.max(nodes, document.querySelectorAll(".viewer *").length);
      }
      return { frames: 240, milliseconds: end - start, nodes };
    });
    test.diagnostic(
      `${((frames * 1000) / milliseconds).toFixed(1)} frames a second over ${frames} frames of zooming`,
    );
    assert.ok(nodes < 400, `${nodes} nodes`);
    await shows("0x0 – 0x4000000000: 256 GiB of 256 GiB");
  });

  for (const [name, areas] of Object.entries(HUNDRED_THOUSAND)) {
    it(`opens 100,000 areas, ${name}, from 3 MB at most; how long it takes is printed`, async (test) => {
      const text = renderHtml(pictureOf("100,000 areas", 2 ** 41, areas));
      const bytes = Buffer.byteLength(text);
      assert.ok(bytes <= 3_000_000, `${bytes} bytes`);
      await open("many.html", text);
      await shows("0x0 – 0x20000000000: 2 TiB of 2 TiB");
      const milliseconds = await page.evaluate(() => performance.now());
      test.diagnostic(`${bytes} bytes, ready ${Math.round(milliseconds)} ms after it was asked for`);
      assert.ok((await page.locator(".viewer *").count()) < 400);
      await page.getByRole("button", { name: "next part" }).click();
      await page.waitForFunction(
        () => !(document.querySelector(".part-labels")?.textContent ?? "shares").includes("shares"),
      );
    });
  }

  it("never complained", () => {
    assert.deepEqual(complaints, []);
  });
});
