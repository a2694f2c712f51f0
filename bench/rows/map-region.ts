/** Rows of mapping: a whole region laid and unmapped again, and the system calls that takes. */

import { watchedSystem } from "../../src/system/watched-system.fixture.ts";
import { fileDevice } from "../file-device.ts";
import { comparePairs, timed } from "../pairs.ts";
import { qemuSequence } from "../qemu-sequence.ts";
import type { Row } from "../row.ts";
import { evenAreas, REGION_SIZE } from "../shapes.ts";

/** Time: C makes the same calls. */
function mapTime(name: string, areaCount: number, count: number): Row {
  const areas = evenAreas(REGION_SIZE, areaCount);
  return {
    name,
    what: `map + unmap a 256 GiB region, ${describe(areaCount)}`,
    against: "C, the same calls",
    bar: { kind: "ratio", most: 1.25 },
    async measure(peers) {
      const layout = areas.flatMap(({ offset, size }) => [offset, size]);
      const peer = await peers.start("map-region", [REGION_SIZE, ...layout]);
      const device = fileDevice(REGION_SIZE, areas);
      const region = device.region(0);
      const mapAndClose = timed((times) => {
        for (let time = 0; time < times; time += 1) region.map().close();
      });
      try {
        return await comparePairs(mapAndClose, peer?.sample ?? null, { pairs: 201, count });
      } finally {
        device.close();
      }
    },
  };
}

/** The calls of mapping and unmapping a region of 256 GiB with so many areas. */
export function countCalls(areaCount: number): { readonly hugebar: number; readonly peer: number } {
  const areas = evenAreas(REGION_SIZE, areaCount);
  const system = watchedSystem();
  const device = fileDevice(REGION_SIZE, areas, system);
  try {
    device.region(0).map().close();
    return { hugebar: system.calls.length, peer: qemuSequence(REGION_SIZE, areas).length };
  } finally {
    device.close();
  }
}

function mapCalls(name: string, areaCount: number): Row {
  return {
    name,
    what: `system calls for it, ${describe(areaCount)}`,
    against: "QEMU's sequence",
    bar: { kind: "count" },
    measure: () => Promise.resolve({ ...countCalls(areaCount), ratio: null, extra: null }),
  };
}

function describe(areaCount: number): string {
  return areaCount === 1 ? "1 area" : `${areaCount.toLocaleString("en")} areas`;
}

export const mapOneArea = mapTime("map-1", 1, 200);
export const mapManyAreas = mapTime("map-1000", 1000, 1);
export const callsOneArea = mapCalls("calls-1", 1);
export const callsManyAreas = mapCalls("calls-1000", 1000);
