import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { Page } from "playwright-core";
import { accessibilityProblems } from "./accessibility.ts";
import { findChromium, startChromium, type Browser } from "./chromium.ts";

const found = findChromium();

describe(
  "the planner in Chromium",
  { skip: "missing" in found ? `left out: ${found.missing}` : false },
  () => {
    let browser: Browser;
    let page: Page;
    let folder: string;
    let address: string;
    const complaints: string[] = [];

    before(async () => {
      assert.ok("path" in found);
      folder = mkdtempSync(join(tmpdir(), "hugebar-planner-"));
      const site = fileURLToPath(new URL("../../build/site.ts", import.meta.url));
      execFileSync(process.execPath, [site, join(folder, "site")], { encoding: "utf8" });
      address = pathToFileURL(join(folder, "site/index.html")).href;
      browser = await startChromium(found.path);
      page = await browser.context.newPage();
      page.on("pageerror", (error) => complaints.push(`error: ${error.message}`));
      page.on("console", (message) => complaints.push(`console: ${message.text()}`));
      await page.route("**/*", async (route) => {
        if (route.request().url().startsWith(address)) return route.continue();
        complaints.push(`request: ${route.request().url()}`);
        return route.abort();
      });
      await browser.context.setOffline(true);
      await page.goto(address);
    });
    after(async () => {
      await browser.close();
      rmSync(folder, { recursive: true });
    });

    const numbers = () => page.locator(".number").allInnerTexts();
    const planned = async (title: string): Promise<void> => {
      await page.locator("#plan h2", { hasText: title }).waitFor();
    };

    it("compares the strategies as one types, without a network, and its address keeps what is typed", async () => {
      assert.equal(await page.locator("#state").innerText(), "Type a size, or take an example.");
      await page.getByLabel("Size of the region").pressSequentially("256G");
      await planned("Region of 256 GiB");
      await page.getByLabel("Mappable areas").pressSequentially("0:0x2f00f00000");
      await page.waitForFunction(() => document.querySelectorAll(".number")[4]?.textContent === "451");
      assert.deepEqual(await numbers(), [
        "49,286,912",
        "376.8 MiB",
        "49,286,912",
        "376.8 MiB",
        "451",
        "8 KiB",
      ]);
      assert.equal(
        await page.locator("#command code").innerText(),
        "hugebar plan --size 256G --area 0:0x2f00f00000 --arch x86-64",
      );
      await page.waitForURL("**/index.html#size=256G&areas=0:0x2f00f00000");
      await page.getByLabel("Architecture").selectOption("arm64-64k");
      await page.waitForFunction(() => document.querySelector(".legend")?.textContent?.includes("512 MiB"));
      await page.waitForURL("**/index.html#size=256G&areas=0:0x2f00f00000&arch=arm64-64k");
      await page.goBack();
      await page.waitForFunction(() => document.querySelectorAll(".number")[4]?.textContent === "451");
      assert.equal(await page.getByLabel("Architecture").inputValue(), "x86-64");
    });

    it("shows the physical strategy and the second stage where their addresses are given, and zooms", async () => {
      await page.getByLabel("Guest’s address").fill("0x3800000000");
      await page.getByLabel("Physical address", { exact: true }).fill("4T");
      await page.getByLabel("Holes for the guest").fill("0x2000:4K\n8K:4K");
      await page.locator("#drawing-1-strip-8").waitFor();
      const names = await page.locator(".strip button").allInnerTexts();
      assert.deepEqual(names.slice(-2), ["physical", "physical, guest"]);
      await page.getByRole("button", { name: "Zoom in" }).click();
      await page.waitForURL("**&drawing-1=0x1800000000-0x2800000000,8");
      const seen = page.url();
      await page.goto("about:blank");
      await page.goto(seen);
      await planned("Region of 256 GiB");
      await page.waitForFunction(() =>
        document.querySelector(".view-text")?.textContent?.startsWith("0x1800000000 – 0x2800000000"),
      );
      assert.equal(await page.getByLabel("Holes for the guest").inputValue(), "0x2000:4K\n8K:4K");
      // What is typed on does not throw away where one was.
      await page.getByLabel("Physical address", { exact: true }).fill("8T");
      await page.locator("#plan .notes", { hasText: "0x80000000000" }).waitFor();
      await page.waitForFunction(() =>
        document.querySelector(".view-text")?.textContent?.startsWith("0x1800000000 – 0x2800000000"),
      );
    });

    it("says beside the field what cannot be used, and keeps the last plan", async () => {
      const size = page.getByLabel("Size of the region");
      await size.fill("12X");
      await page.locator("#size-problem", { hasText: 'Cannot use the size "12X": give bytes' }).waitFor();
      assert.equal(await size.getAttribute("aria-invalid"), "true");
      assert.equal(await page.locator("#state").innerText(), "Below is the plan of what was typed before.");
      assert.ok(await page.locator("#plan .viewer").isVisible());
      assert.deepEqual(await accessibilityProblems(page), []);
      await size.fill("256G");
      await page.waitForFunction(() => document.querySelector("#state")?.textContent === "");
      assert.equal(await size.getAttribute("aria-invalid"), "false");
    });

    it("takes an example, and Back takes it back", async () => {
      await page.getByRole("link", { name: "a BAR of 64 GiB" }).click();
      await planned("Region of 64 GiB");
      assert.equal(await page.getByLabel("Mappable areas").inputValue(), "");
      assert.equal(await page.getByLabel("Guest’s address").inputValue(), "0x3800000000");
      await page.goBack();
      await planned("Region of 256 GiB");
    });

    it("takes what is typed as text", async () => {
      const hostile = `<img src=x onerror="globalThis.pwned=1">`;
      for (const label of ["Size of the region", "Mappable areas", "Physical address"]) {
        await page.getByLabel(label, { exact: true }).fill(hostile);
      }
      await page.locator("#size-problem", { hasText: "<img src=x" }).waitFor();
      assert.equal(await page.locator("img").count(), 0);
      await page.goto("about:blank");
      await page.goto(`${address}#size=${encodeURIComponent(hostile)}&areas=%&nothing=1`);
      await page.locator("#size-problem", { hasText: "<img src=x" }).waitFor();
      assert.equal(await page.evaluate(() => "pwned" in globalThis), false);
    });

    it("leaves axe-core nothing to find, on wide and narrow windows, in light and dark", async () => {
      await page.goto("about:blank");
      await page.goto(`${address}#size=64G&physical=4T&guest=0x3800000000&holes=0x2000:4K`);
      await planned("Region of 64 GiB");
      for (const [width, colorScheme] of [
        [1280, "light"],
        [1280, "dark"],
        [390, "light"],
      ] as const) {
        await page.setViewportSize({ width, height: 900 });
        await page.emulateMedia({ colorScheme });
        assert.deepEqual(await accessibilityProblems(page), [], `${width} ${colorScheme}`);
        assert.ok(
          await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth),
          `${width}`,
        );
      }
    });

    it("never complained", () => {
      assert.deepEqual(complaints, []);
    });
  },
);
