/** A device that is being served: as stable JSON (schemaVersion 1), and in a line. */

import type { Area } from "../layout/areas.ts";
import { formatSize } from "../layout/sizes.ts";

interface ServedRegion {
  readonly index: number;
  readonly size: number;
  /** Left out: all of it can be mapped. */
  readonly areas?: readonly Area[];
}

export function servedJson(socket: string, regions: readonly ServedRegion[]): object {
  return {
    schemaVersion: 1,
    device: `vfio-user:${socket}`,
    pid: process.pid,
    regions: regions.map(({ index, size, areas }) => ({ index, size, areas })),
  };
}

export function servedText(socket: string, regions: readonly ServedRegion[]): string {
  const shown = regions.map(({ index, size }) => `region ${index} of ${formatSize(size)}`);
  return `listening at vfio-user:${socket} with ${shown.join(", ")}`;
}
