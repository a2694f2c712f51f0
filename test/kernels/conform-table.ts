/**
 * `npm run conform:table`: the conformance test on every kernel that the test bed has a role for, and on those handlers of the test
 * driver that are wrong; what it finds becomes the table in docs/conform.md. `npm run conform:table -- ROLE…` prints the rows of
 * these roles, and writes nothing.
 */

import { readFileSync, writeFileSync } from "node:fs";

import * as v from "valibot";

import { replaceBetweenMarkers } from "../../bench/table.ts";
import { outcomePrefix, readOutcome } from "../vm/conform-outcome.ts";
import { pciTestdev } from "../vm/devices.ts";
import { runGuest } from "../vm/guest.ts";
import { castKernel, type KernelRole } from "../vm/provision/roles.ts";

const PAGE = new URL("../../docs/conform.md", import.meta.url);

/** The handlers of test/vm/driver/hugebar-wrong.c. */
const WRONG = {
  "hugebar-wrong-pfn": "a handler as before 6.12.10",
  "hugebar-wrong-touch": "a handler as before 6.12.29",
  "hugebar-wrong-edge": "a handler with an error of ours at the mapping's end",
  "hugebar-wrong-bus": "one that answers the first access to a block's last page with SIGBUS",
} as const;

const ROLES: readonly KernelRole[] = [
  "groups",
  "newest",
  "iommufd",
  "asking",
  "arm64-4k",
  "arm64-4k-newest",
  "arm64-16k",
  "arm64-16k-newest",
  "arm64-64k",
  "arm64-64k-newest",
];

const report = v.object({
  release: v.string(),
  model: v.string(),
  evidence: v.string(),
  points: v.array(
    v.object({ name: v.string(), outcome: v.picklist(["holds", "falls-short", "not-judged"]) }),
  ),
});

const asked = process.argv.slice(2);
const chosen = ROLES.filter((role) => asked.length === 0 || asked.includes(role));
const rows = ["| kernel | evidence | points that hold | fall short |", "|---|---|---|---|"];
for (const role of chosen) {
  const { facts, name } = await castKernel(role);
  const built = name.startsWith("built") ? "built" : "Debian's";
  const told = facts.asks ? ", asks the setting" : "";
  rows.push(await row(role, null, `${built}${told}`));
  if (!facts.testDriver || facts.asks) continue;
  for (const [driver, what] of Object.entries(WRONG)) rows.push(await row(role, driver, what));
}
const table = `${rows.join("\n")}\n`;
process.stdout.write(table);
if (asked.length === 0) {
  writeFileSync(PAGE, replaceBetweenMarkers(readFileSync(PAGE, "utf8"), table, "npm run conform:table"));
}

/** @param driver of the test driver's, by which the kernel falls short; null for vfio-pci itself */
async function row(role: KernelRole, driver: string | null, what: string): Promise<string> {
  process.stderr.write(`${role}, ${driver ?? "vfio-pci"}\n`);
  const { diagnostics, problem, console } = await runGuest({
    kernel: role,
    tests: ["test/vm/guest/conform-once.guest.ts"],
    devices: [pciTestdev(0x10, "64G")],
    environment: {
      CONFORM_WORDS: JSON.stringify(["--json"]),
      ...(driver === null ? {} : { CONFORM_DRIVER: driver }),
    },
  });
  const outcome = readOutcome(diagnostics);
  if (outcome === null || outcome.stdout === "") {
    throw new Error(`${role}: ${problem ?? outcome?.stderr ?? `no ${outcomePrefix}line`}\n${console}`);
  }
  const { release, model, evidence, points } = v.parse(report, JSON.parse(outcome.stdout));
  const named = (wanted: string): string[] =>
    points.flatMap(({ name, outcome: found }) => (found === wanted ? [`\`${name}\``] : []));
  const [holds, wrong] = [named("holds"), named("falls-short")];
  const judged = holds.length + wrong.length;
  const short = wrong.length === 0 ? "none" : wrong.join(", ");
  return `| ${release}, ${model}, ${what} | ${evidence} | ${holds.length} of ${judged} | ${short} |`;
}
