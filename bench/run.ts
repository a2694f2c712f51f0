/**
 * `npm run bench`: measures hugebar against the same work in C, prints a table with ratios, and writes it into
 * docs/benchmarks.md. `node bench/run.ts NAME…` measures the rows named only, and writes nothing.
 */

import { readFileSync, writeFileSync } from "node:fs";
import { cpus, release } from "node:os";
import { judge } from "./bars.ts";
import { Peers } from "./peers.ts";
import type { Row } from "./row.ts";
import { copyOut, ownInGap, readInArea, readInGap } from "./rows/access.ts";
import { dmaRead } from "./rows/dma.ts";
import { executableSize, executableStart } from "./rows/executable.ts";
import { inspectCrowd, inspectTree } from "./rows/inspect.ts";
import { layoutGrowth, layoutTime } from "./rows/layout.ts";
import {
  callsManyAreas,
  callsOneArea,
  mapManyAreas,
  mapOneArea,
  ownManyAreas,
  ownOneArea,
} from "./rows/map-region.ts";
import { idleServer, tenDevices } from "./rows/many-devices.ts";
import { clientRead, clientWrite, orderToInterrupt, serverRead, serverWrite } from "./rows/vfio-user.ts";
import { planAreas } from "./rows/plan.ts";
import { readTables } from "./rows/tables.ts";
import { toolStart } from "./rows/start.ts";
import { markdownTable, missedBars, replaceBetweenMarkers, terminalTable, type TableRow } from "./table.ts";

const ROWS: readonly Row[] = [
  mapOneArea,
  mapManyAreas,
  ownOneArea,
  ownManyAreas,
  callsOneArea,
  callsManyAreas,
  readInArea,
  copyOut,
  readInGap,
  ownInGap,
  clientRead,
  clientWrite,
  serverRead,
  serverWrite,
  orderToInterrupt,
  tenDevices,
  idleServer,
  dmaRead,
  layoutTime,
  layoutGrowth,
  planAreas,
  inspectCrowd,
  inspectTree,
  readTables,
  toolStart,
  executableStart,
  executableSize,
];
const PAGE = new URL("../docs/benchmarks.md", import.meta.url);

const names = process.argv.slice(2);
const unknown = names.filter((name) => !ROWS.some((row) => row.name === name));
if (unknown.length > 0) {
  process.stderr.write(
    `no row ${unknown.join(", ")}; there are ${ROWS.map(({ name }) => name).join(", ")}\n`,
  );
  process.exit(2);
}

const chosen = names.length === 0 ? ROWS : ROWS.filter(({ name }) => names.includes(name));
const peers = new Peers();
try {
  process.stdout.write(`${machine(peers)}\n\n`);
  const results = await measureRows(chosen, peers);
  process.stdout.write(`${terminalTable(results)}\n${missedBars(results)}\n`);
  if (names.length === 0) writePage(results, peers);
} finally {
  await peers.close();
}

async function measureRows(rows: readonly Row[], peers: Peers): Promise<TableRow[]> {
  const results: TableRow[] = [];
  for (const { name, what, against, bar, measure } of rows) {
    showProgress(`${results.length + 1} of ${rows.length}: ${name}`);
    results.push({ what, against, ...judge(bar, await measure(peers)) });
    await peers.stop();
  }
  showProgress("");
  return results;
}

/** One line that overwrites itself, on a terminal only. */
function showProgress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`);
}

function machine({ compiler }: Peers): string {
  const [cpu] = cpus();
  return [
    `${cpus().length} × ${cpu?.model ?? "unknown CPU"}`,
    `Linux ${release()}`,
    `Node ${process.version}`,
    compiler ?? "no C compiler: absolute figures only",
  ].join(", ");
}

function writePage(results: readonly TableRow[], peers: Peers): void {
  const text = `Measured on ${machine(peers)}.\n\n${markdownTable(results)}\n${missedBars(results)}\n`;
  writeFileSync(PAGE, replaceBetweenMarkers(readFileSync(PAGE, "utf8"), text));
}
