/** `hugebar map`: maps a region of a device into this process and prints the mapping. */

import { presentRegion } from "../../device/present-region.ts";
import { mapJson, mapPicture, mapText } from "../../report/map-report.ts";
import { openNamedDevice } from "../opened-device.ts";
import { writeResult, type Output } from "../output.ts";
import { pictureFormats } from "../pictures.ts";
import { awaitInterruption } from "../signals.ts";
import { parseIndex } from "../values.ts";
import type { Arguments } from "../verbs.ts";

/** As `inspect --check` has it. */
const EXIT_CODES = { agrees: 0, differs: 1, inconclusive: 4 } as const;

export async function run(args: Arguments<"map">, output: Output): Promise<number> {
  const { options } = args;
  const { strategy = "region", gaps = "unmap" } = options;
  const index = parseIndex("--region", options.region);
  const device = openNamedDevice(args);
  // From before the mapping can be seen: who sees it may send the signal at once.
  const interruption = options.hold ? awaitInterruption() : null;
  try {
    const mapping = presentRegion(device, index).map({ strategy, gaps });
    const result = { mapping, verification: options.verify ? mapping.verify() : null };
    await writeResult(
      {
        json: () => mapJson(result),
        text: (layout) => mapText(result, layout),
        ...pictureFormats(() => mapPicture(mapping)),
      },
      options,
      output,
    );
    const exitCode = EXIT_CODES[result.verification?.verdict ?? "agrees"];
    if (interruption === null) return exitCode;
    output.message(`process ${process.pid} holds the mapping until a signal`);
    return await interruption.exitCode;
  } finally {
    interruption?.dispose();
    device.close();
  }
}
