/** The test driver: regions with several areas from a real kernel, and what the GB200's shape costs laid two ways. */

import assert from "node:assert/strict";
import { before, describe, it, type TestContext } from "node:test";

import type { RegionInfo, Transport } from "../../../src/device/transport/transport.ts";
import { type Area, arrangeAreas, gapsOf } from "../../../src/layout/areas.ts";
import type { LeafCount, LeafSpan } from "../../../src/layout/leaves.ts";
import { predictLayout } from "../../../src/layout/prediction.ts";
import { GIB, KIB, MIB } from "../../../src/layout/sizes.ts";
import type { Strategy } from "../../../src/layout/strategies.ts";
import { MAP_SHARED, PROT_READ, PROT_WRITE } from "../../../src/system/constants.ts";
import { readMemoryCounters } from "../../../src/memory/counters.ts";
import { type LaidRegion, layRegion } from "../../../src/memory/lay-region.ts";
import { linux } from "../../../src/system/libc.ts";
import type { VfioApi } from "../../../src/vfio/container.ts";
import { openVfioDevice } from "../../../src/vfio/open-device.ts";
import { model } from "./paging.ts";
import { bindTo } from "./pci.ts";
import { setTransparentHugepage } from "./transparent-hugepage.ts";

const bdf = "0000:00:10.0";
const bar = 2;
const barSize = 0x40_0000_0000;
const gb200Area = { offset: 0, size: 0x2f_00f0_0000 };
const gapsAreas = [
  { offset: 0x4000_0000, size: 0x4020_0000 },
  { offset: 0xc000_0000 + linux.pageSize, size: 0x80_0000 - linux.pageSize },
  { offset: 0x1_0000_0000, size: 0x8000_0000 },
];

/** What it takes at best, by paging model: 451 and 616 of them. */
const gb200Leaves: Readonly<Record<string, readonly LeafCount[]>> = {
  "x86-64": [
    { size: GIB, count: 188 },
    { size: 2 * MIB, count: 7 },
    { size: 4 * KIB, count: 256 },
  ],
  "arm64-64k": [
    { size: 512 * MIB, count: 376 },
    { size: 64 * KIB, count: 240 },
  ],
};

/** What the readings themselves may add: page faults of Node's heap, tables above those that are counted. */
const faultsBeside = 64;
const tablesBeside = 8192;

/** The device, closed after the test: while it is open, no driver can be taken from it. */
function open(t: TestContext, api: VfioApi): Transport {
  const device = openVfioDevice(bdf, { api });
  t.after(() => device.close());
  return device;
}

function lay(t: TestContext, region: RegionInfo, strategy: Strategy): LaidRegion {
  assert.ok(region.fd !== null);
  const laid = layRegion(
    {
      region: `${bar} of ${bdf}`,
      size: region.size,
      areas: arrangeAreas(region.size, region.areas, linux.pageSize),
      strategy,
      gaps: "unmap",
      protection: PROT_READ | PROT_WRITE,
      fd: region.fd,
      fdOffset: region.fdOffset,
      physical: region.physical,
    },
    linux,
  );
  t.after(() => laid.release());
  return laid;
}

/** Reads a byte of the first area at each of the offsets, and returns what that cost. */
function costOfTouching(laid: LaidRegion, offsets: readonly number[]): { faults: number; tables: number } {
  const [area] = laid.areas;
  assert.ok(area !== undefined);
  const bytes = new Uint8Array(linux.view(area.address, area.size));
  readMemoryCounters();
  const before = readMemoryCounters();
  for (const offset of offsets) Atomics.load(bytes, offset);
  const after = readMemoryCounters();
  return { faults: after.minorFaults - before.minorFaults, tables: after.vmPteBytes - before.vmPteBytes };
}

function assertWithin(found: number, least: number, margin: number): void {
  assert.ok(found >= least && found <= least + margin, `${found} is not ${least} (or up to ${margin} more)`);
}

function predict(laid: LaidRegion, physical: bigint | null) {
  const ranges = laid.areas.map(({ address, offset, size }) => ({
    address,
    size,
    physical: physical === null ? null : physical + BigInt(offset),
  }));
  return predictLayout(ranges, model, "open");
}

/** The number of different leaves on which the offsets lie. */
function leavesAt(spans: readonly LeafSpan[], offsets: readonly number[]): number {
  const starts = offsets.map((at) => {
    const span = spans.find(({ offset, size }) => at >= offset && at < offset + size);
    assert.ok(span !== undefined);
    return at - ((at - span.offset) % span.leaf);
  });
  return new Set(starts).size;
}

before(() => {
  setTransparentHugepage("always");
});

for (const api of ["group", "cdev"] as const) {
  describe(`hugebar-gaps by ${api}`, () => {
    before(() => {
      bindTo(bdf, "hugebar-gaps");
    });

    it("offers three areas of the whole BAR", (t) => {
      const device = open(t, api);
      const region = device.regionInfo(bar);
      assert.equal(region.size, barSize);
      assert.deepEqual(region.areas, gapsAreas);
    });

    it("maps what an area covers and refuses what none does", (t) => {
      const device = open(t, api);
      const { fd, fdOffset } = device.regionInfo(bar);
      assert.ok(fd !== null);
      const map = ({ offset, size }: Area): void => {
        linux.munmap(linux.mmap(0n, size, PROT_READ, MAP_SHARED, fd, fdOffset + offset), size);
      };
      for (const area of gapsAreas) {
        map(area);
        assert.throws(() => map({ ...area, size: area.size + linux.pageSize }), { code: "EINVAL" });
        assert.throws(() => map({ ...area, offset: area.offset - linux.pageSize }), { code: "EINVAL" });
      }
      for (const gap of gapsOf(barSize, gapsAreas)) assert.throws(() => map(gap), { code: "EINVAL" });
    });
  });

  describe(`hugebar-gb200 by ${api}`, () => {
    before(() => {
      bindTo(bdf, "hugebar-gb200");
    });

    it("takes one fault for each leaf when the region is aligned", (t) => {
      const device = open(t, api);
      const region = device.regionInfo(bar);
      assert.deepEqual(region.areas, [gb200Area]);
      const laid = lay(t, region, "region");
      const { leaves, faults, pageTableBytes, spans } = predict(laid, region.physical);
      assert.deepEqual(leaves, gb200Leaves[model.name]);
      const offsets = (spans[0] ?? []).flatMap(({ offset, size, leaf }) =>
        Array.from({ length: size / leaf }, (_, index) => offset + index * leaf),
      );
      const cost = costOfTouching(laid, offsets);
      assertWithin(cost.faults, faults, faultsBeside);
      // The first and the last table of PMDs may have been there, for what lies beside the mapping.
      const shared = 2 * model.pmdTableSize;
      assertWithin(cost.tables, pageTableBytes - shared, shared + tablesBeside);
    });

    for (const strategy of ["none", "area", "region"] as const) {
      it(`takes the faults that are predicted for it, laid by ${strategy}`, (t) => {
        const region = open(t, api).regionInfo(bar);
        const laid = lay(t, region, strategy);
        const [spans = []] = predict(laid, region.physical).spans;
        const offsets = [
          ...Array.from({ length: 512 }, (_, index) => index * model.pageSize),
          ...Array.from({ length: 188 }, (_, index) => index * 0x4000_0000),
        ];
        assertWithin(costOfTouching(laid, offsets).faults, leavesAt(spans, offsets), faultsBeside);
      });
    }
  });
}
