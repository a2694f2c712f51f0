/** Boots a kernel that is provisioned and writes down what it does: `establish.ts KERNEL FOLDER`. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { pciTestdev } from "../devices.ts";
import { bootGuest } from "../guest.ts";
import { factsPrefix, parseFacts } from "./facts.ts";
import { isKernelName, kernel } from "./kernels.ts";

const [, , name = "", folder = ""] = process.argv;
if (!isKernelName(name)) throw new Error(`No kernel ${name}`);

const report = await bootGuest(kernel(name), {
  tests: ["test/vm/guest/facts.guest.ts"],
  devices: [pciTestdev(0x10, "4G")],
});
const failures = report.tests.flatMap(({ failure }) => (failure === null ? [] : [failure.message]));
const said = report.diagnostics.find((line) => line.startsWith(factsPrefix));
if (report.problem !== null || failures.length > 0 || said === undefined) {
  const problem = [report.problem ?? "", ...failures].join("\n");
  throw new Error(`Nothing is known of the kernel ${name}: ${problem}\n${report.output}${report.console}`);
}
const json = said.slice(factsPrefix.length);
parseFacts(json);
writeFileSync(join(folder, "facts.json"), `${json}\n`);
