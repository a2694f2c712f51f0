/** The stable JSON of a device that is being served (schemaVersion 1). */

import type { Area } from "../layout/areas.ts";

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
