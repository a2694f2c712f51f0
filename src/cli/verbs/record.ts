/** `hugebar record`: saves what inspect reads of a machine. */

import { recordMachine } from "../../inspect/record.ts";
import { countOf } from "../../report/text/numbers.ts";
import { rootsAt } from "../../inspect/proc/roots.ts";
import type { Output } from "../output.ts";
import type { Arguments } from "../verbs.ts";

export function run({ options, operands: [folder = ""] }: Arguments<"record">, output: Output): void {
  const { processes, devices, refused } = recordMachine(rootsAt(options, "--"), folder, {
    tables: options.tables,
  });
  output.message(
    `Recorded in ${folder}: ${countOf(devices, "PCI device")}; processes that map device memory: ${processes}`,
  );
  if (refused > 0)
    output.message(`Processes that may not be looked at: ${refused}; run hugebar as root for all`);
}
