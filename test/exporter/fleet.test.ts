import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { exposition } from "../../src/exporter/exposition.ts";
import type { Family } from "../../src/exporter/families.ts";
import { faultMetrics } from "../../src/exporter/fault-counters.ts";
import { scanMetrics } from "../../src/exporter/scan.ts";
import { scanFamilies } from "../../src/exporter/scanner.ts";
import { pagingModels } from "../../src/layout/paging.ts";
import { findChromium, startChromium } from "../browser/chromium.ts";
import { leaveOut } from "../left-out.ts";
import { missingProgram } from "../missing-program.ts";
import { queriesOf, readDashboard } from "./dashboard.ts";
import { startPrometheus, type Prometheus } from "./prometheus.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const dashboard = readDashboard(join(root, "deploy/grafana/hugebar.json"));
const HOSTS = 200;
/** What falls short, and is to be found among machines on which all is well. */
const BAD: ReadonlyMap<number, string> = new Map([
  [17, "x86-mixed"],
  [101, "x86-tables"],
  [199, "x86-madvise"],
]);
const GOOD = ["quadro-four-functions", "subpage-bar-x86", "bind-pf-with-vfs"];
const nameOf = (host: number): string => `host-${String(host).padStart(3, "0")}`;
const badNames = [...BAD.keys()].map(nameOf);

async function textOf(machine: string): Promise<string> {
  const folder = join(root, "test/machines", machine);
  const roots = { proc: join(folder, "proc"), sys: join(folder, "sys") };
  const outcome = { problem: null, seconds: 0.1, time: Date.now() / 1000 };
  const families: Family[] = [
    ...scanMetrics(roots).families,
    ...scanFamilies(outcome, 0),
    ...faultMetrics({ tallies: [{ order: 9, answer: 0x100, count: 3 }], lost: 0 }, pagingModels["x86-64"]),
  ];
  return (await exposition(families, false)).text;
}

/** Serves what 200 exporters would: `/host-017/metrics`. */
async function serveFleet(t: TestContext): Promise<string> {
  const texts = new Map<string, string>();
  for (const machine of [...GOOD, ...BAD.values()]) texts.set(machine, await textOf(machine));
  const server = createServer(({ url = "" }, response) => {
    const host = Number(/^\/host-(\d{3})\/metrics$/.exec(url)?.[1] ?? assert.fail(url));
    response.setHeader("Content-Type", "text/plain; version=0.0.4");
    response.end(texts.get(BAD.get(host) ?? GOOD[host % GOOD.length] ?? ""));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const address = server.address();
  return typeof address === "object" && address !== null ? `127.0.0.1:${address.port}` : assert.fail();
}

/** The text of Prometheus' own page with the answer to `expression`, as a table, and a picture of it where one is wanted. */
async function lookAt(
  { address }: Prometheus,
  chromium: string,
  expression: string,
  picture: string | undefined,
): Promise<string> {
  const browser = await startChromium(chromium);
  try {
    const page = await browser.context.newPage();
    await page.goto(`${address}/graph?g0.expr=${encodeURIComponent(expression)}&g0.tab=1`);
    await page
      .getByText(/host-\d{3}/)
      .first()
      .waitFor();
    if (picture !== undefined) await page.screenshot({ path: picture, fullPage: true });
    return await page.locator("body").innerText();
  } finally {
    await browser.close();
  }
}

describe("the dashboard", () => {
  it("has panels that say what they show, lie beside each other, and let one choose hosts", () => {
    const panels = dashboard.panels.filter(({ type }) => type !== "row");
    assert.deepEqual(
      panels.filter(({ description, targets }) => description === undefined || targets.length === 0),
      [],
    );
    const places = dashboard.panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, cell) => `${x + (cell % w)} ${y + Math.floor(cell / w)}`),
    );
    assert.equal(new Set(places).size, places.length, "panels overlap");
    assert.ok(dashboard.panels.every(({ gridPos: { x, w } }) => x + w <= 24));
    assert.equal(new Set(dashboard.panels.map(({ id }) => id)).size, dashboard.panels.length);
    assert.deepEqual(
      dashboard.templating.list.map(({ name }) => name),
      ["datasource", "instance"],
    );
    for (const { expression } of queriesOf(dashboard, "5m")) assert.doesNotMatch(expression, /\$/);
  });

  it(
    "finds the three of 200 hosts that fall short, each panel with series, in a real Prometheus and its own pages",
    { skip: missingProgram("prometheus") },
    async (t) => {
      const address = await serveFleet(t);
      const targets = Array.from({ length: HOSTS }, (_, host) => ({
        targets: [address],
        labels: { instance: nameOf(host), __metrics_path__: `/${nameOf(host)}/metrics` },
      }));
      const prometheus = await startPrometheus(targets, join(root, "deploy/prometheus/hugebar.rules.yml"), 4);
      t.after(() => prometheus.stop());
      await prometheus.until("count(hugebar_build_info)", ([series]) => series?.value === HOSTS);
      // A rate takes two scrapes.
      await prometheus.until("rate(hugebar_faults_total[1m])", (series) => series.length > 0);

      const queries = queriesOf(dashboard, "1m");
      for (const { panel, expression } of queries) {
        assert.ok((await prometheus.query(expression)).length > 0, `${panel}: ${expression}`);
      }
      const expressionOf = (title: string): string =>
        queries.find(({ panel }) => panel === title)?.expression ?? assert.fail(title);
      const [bad] = await prometheus.query(expressionOf("Hosts that fall short"));
      assert.equal(bad?.value, BAD.size);
      const rows = await prometheus.query(expressionOf("Mappings that fall short"));
      assert.deepEqual(new Set(rows.map(({ labels }) => labels["instance"])), new Set(badNames));

      const chromium = findChromium();
      if ("missing" in chromium) return leaveOut(t, chromium.missing);
      const page = await lookAt(
        prometheus,
        chromium.path,
        expressionOf("Mappings that fall short"),
        process.env["HUGEBAR_PICTURE"],
      );
      assert.deepEqual(new Set(page.match(/host-\d{3}/g)), new Set(badNames));
    },
  );
});
