/** Rows of mapping: a whole region laid and unmapped again, and the system calls that takes. */

import { GIB } from "../../src/layout/sizes.ts";
import { createMemfd } from "../../src/memory/memfd.ts";
import { linux } from "../../src/system/libc.ts";
import { watchedSystem } from "../../src/system/watched-system.fixture.ts";
import { mapBarely } from "../bare-calls.ts";
import { fileDevice } from "../file-device.ts";
import { comparePairs, timed } from "../pairs.ts";
import { qemuSequence } from "../qemu-sequence.ts";
import type { Row } from "../row.ts";
import { evenAreas, REGION_SIZE } from "../shapes.ts";

/** Time: C makes the same calls. */
function mapTime(name: string, areaCount: number, count: number, most: number): Row {
  const areas = evenAreas(REGION_SIZE, areaCount);
  return {
    name,
    what: `map + unmap a 256 GiB region, ${describe(areaCount)}`,
    against: "C, the same calls",
    bar: { kind: "ratio", most },
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

/** Time: the same calls by `System` in this process, so that what is left is hugebar's own. */
function ownTime(name: string, areaCount: number, count: number, most: number): Row {
  const areas = evenAreas(REGION_SIZE, areaCount);
  return {
    name,
    what: `what hugebar adds to the calls, ${describe(areaCount)}`,
    against: "the calls alone, by koffi",
    bar: { kind: "ratio", most },
    async measure() {
      const device = fileDevice(REGION_SIZE, areas);
      const region = device.region(0);
      const fd = createMemfd("bare", REGION_SIZE, linux);
      const mapAndClose = timed((times) => {
        for (let time = 0; time < times; time += 1) region.map().close();
      });
      const bare = timed((times) => {
        for (let time = 0; time < times; time += 1) mapBarely(REGION_SIZE, areas, GIB, fd, linux);
      });
      try {
        return await comparePairs(mapAndClose, bare, { pairs: 201, count });
      } finally {
        linux.close(fd);
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

export const mapOneArea = mapTime("map-1", 1, 200, 1.25);
export const mapManyAreas = mapTime("map-1000", 1000, 1, 1.15);
export const ownOneArea = ownTime("map-1-own", 1, 200, 1.25);
export const ownManyAreas = ownTime("map-1000-own", 1000, 1, 1.15);
export const callsOneArea = mapCalls("calls-1", 1);
export const callsManyAreas = mapCalls("calls-1000", 1000);
