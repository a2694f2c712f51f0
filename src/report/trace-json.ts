/** The stable JSON of traced faults (schemaVersion 1). */

import { formatAddress } from "../inspect/proc/hex.ts";
import type { TraceSummary } from "./text/trace-text.ts";

export function traceJson({ faults, lost, seconds, pageSize }: TraceSummary, kernel: string): object {
  return {
    schemaVersion: 1,
    kernel,
    seconds,
    lost,
    faults: faults.map(({ pid, command, address, device, region, order, done, fellBack, failed }) => ({
      pid: pid === 0 ? null : pid,
      command,
      device,
      region,
      address: formatAddress(address),
      order,
      size: pageSize === null ? null : pageSize * 2 ** order,
      done,
      fellBack,
      failed,
    })),
  };
}
