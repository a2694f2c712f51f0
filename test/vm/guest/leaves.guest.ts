/** The leaves under a BAR of 64 GiB, as predicted, as counted by the process, and as the kernel says. */

import assert from "node:assert/strict";
import { before, describe, it } from "node:test";

import { leafSpans } from "../../../src/layout/leaves.ts";
import { pageTableBytes } from "../../../src/layout/page-tables.ts";
import { formatSize, GIB } from "../../../src/layout/sizes.ts";
import {
  MADV_HUGEPAGE,
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_NORESERVE,
  MAP_PRIVATE,
  MAP_SHARED,
  PROT_NONE,
  PROT_READ,
} from "../../../src/system/constants.ts";
import { linux } from "../../../src/system/libc.ts";
import { openVfioDevice } from "../../../src/vfio/open-device.ts";
import { kernelLog, setDynamicDebug, untilLinesAreFree } from "./kernel-log.ts";
import { type LeafTally, leavesTakenBy } from "./huge-faults.ts";
import { kernelFacts } from "./kernel.ts";
import { apis, openDevice, withoutAdvice } from "./open.ts";
import { largest, model, orderOf, pageSize, pmdSize } from "./paging.ts";
import { bindTo } from "./pci.ts";
import { assertCost, type Cost, costOf, leavesAt, steps } from "./touching.ts";
import { setTransparentHugepage, transparentHugepageModes } from "./transparent-hugepage.ts";

const bdf = "0000:00:10.0";
const bar = 2;

before(() => {
  bindTo(bdf);
  setTransparentHugepage("always");
});

for (const api of apis) {
  describe(`a BAR of 64 GiB by ${api}`, () => {
    it(`takes one fault for each ${formatSize(largest)} by the strategy region`, async (t) => {
      const mapping = openDevice(t, bdf, api).region(bar).map();
      const expected = [{ size: largest, count: (64 * GIB) / largest }];
      assert.equal(mapping.base % BigInt(largest), 0n);
      assert.deepEqual(mapping.layout.leaves, expected);
      const offsets = steps(64 * GIB, pmdSize);
      const { taken, ...cost } = await countBoth(() => {
        for (const offset of offsets) mapping.read8(offset);
      });
      assert.deepEqual(taken, expected);
      t.diagnostic(
        `region, touched every ${formatSize(pmdSize)}: ${cost.faults} faults, ${cost.pageTableBytes} bytes of page tables`,
      );
      const [spans = []] = mapping.layout.spans;
      assertCost(cost, {
        faults: (64 * GIB) / largest,
        pageTableBytes: pageTableBytes([{ address: mapping.base, spans }], model),
      });
      mapping.close();
    });

    it("takes one fault for each page touched when it lies one page off", (t) => {
      // The library never lays a region so: this is what the kernel makes of a program that does.
      const transport = openVfioDevice(bdf, { api });
      t.after(() => transport.close());
      const { fd, fdOffset, physical, size } = transport.regionInfo(bar);
      assert.ok(fd !== null && physical !== null);
      const room = size + 2 * largest;
      const reservation = linux.mmap(0n, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
      t.after(() => linux.munmap(reservation, room));
      const boundary = BigInt(largest);
      const address = ((reservation + boundary - 1n) / boundary) * boundary + BigInt(pageSize);
      linux.mmap(address, size, PROT_READ, MAP_SHARED | MAP_FIXED, fd, fdOffset);
      linux.madvise(address, size, MADV_HUGEPAGE);
      const bytes = new Uint8Array(linux.view(address, size));
      const offsets = steps(64 * GIB, pmdSize);
      const { spans } = leavesAt(leafSpans({ address, size, physical }, model), offsets);
      const cost = costOf(() => {
        for (const offset of offsets) Atomics.load(bytes, offset);
      });
      t.diagnostic(
        `one page off, likewise: ${cost.faults} faults, ${cost.pageTableBytes} bytes of page tables`,
      );
      const predicted = pageTableBytes([{ address, spans }], model);
      assert.ok(predicted > offsets.length * pageSize, "a table for each block");
      assertCost(cost, { faults: offsets.length, pageTableBytes: predicted });
    });

    for (const strategy of ["none", "area", "region", "physical"] as const) {
      it(`takes the leaves that are predicted for ${strategy}`, async (t) => {
        const mapping = openDevice(t, bdf, api).region(bar).map({ strategy });
        const [spans = []] = mapping.layout.spans;
        // The last pages as well: that is where a mapping that is not congruent has its smaller leaves.
        const offsets = [
          ...steps(2 * GIB, pmdSize),
          ...steps(1024 * pageSize, pageSize).map((back) => 64 * GIB - pageSize - back),
        ];
        const touched = leavesAt(spans, offsets);
        const { taken, ...cost } = await countBoth(() => {
          for (const offset of offsets) mapping.read8(offset);
        });
        t.diagnostic(
          `${strategy} at ${hex(mapping.base)}: ${JSON.stringify(taken)}, ${JSON.stringify(cost)}`,
        );
        assert.deepEqual(taken, touched.tally);
        assertCost(cost, {
          faults: touched.spans.length,
          pageTableBytes: pageTableBytes([{ address: mapping.base, spans: touched.spans }], model),
        });
        mapping.close();
      });

      it(`is verified by ${strategy}`, (t) => {
        const mapping = openDevice(t, bdf, api).region(bar).map({ strategy });
        const { verdict, hindrance, faults } = mapping.verify({ length: 4 * GIB });
        t.diagnostic(
          `${strategy}: ${verdict}, ${faults.predicted} faults predicted, ${faults.measured} measured`,
        );
        assert.deepEqual({ verdict, hindrance }, { verdict: "agrees", hindrance: null });
        mapping.close();
      });
    }

    it("has its leaves in the kernel's debug lines", async (t) => {
      await untilLinesAreFree();
      const mapping = openDevice(t, bdf, api).region(bar).map();
      const linesOfFaults = (): string[] => kernelLog().filter((line) => line.includes("huge_fault("));
      const known = linesOfFaults().length;
      setDynamicDebug("vfio_pci_core", true);
      t.after(() => setDynamicDebug("vfio_pci_core", false));
      for (const offset of steps(4 * largest, largest)) mapping.read8(offset);
      const lines = linesOfFaults().slice(known);
      t.diagnostic(lines.join(" | "));
      const orders = lines.map((line) => /\(,order = (\d+)\) BAR 2 .*: 0x100$/.exec(line)?.[1]);
      const order = String(orderOf(largest));
      assert.deepEqual(orders, [order, order, order, order]);
      mapping.close();
    });
  });
}

describe("transparent huge pages and advice", () => {
  for (const mode of transparentHugepageModes) {
    for (const advised of [true, false]) {
      it(`${mode}, ${advised ? "advised" : "not advised"}`, async (t) => {
        setTransparentHugepage(mode);
        t.after(() => setTransparentHugepage("always"));
        const mapping = openDevice(t, bdf, "group", advised ? linux : withoutAdvice)
          .region(bar)
          .map();
        assert.equal(mapping.advised, advised);
        const offsets = steps(2 * GIB, pmdSize);
        const taken = await leavesTakenBy(() => {
          for (const offset of offsets) mapping.read8(offset);
        });
        const { layout } = mapping;
        t.diagnostic(`${mode}, advised ${advised}: ${JSON.stringify(taken)}, gate ${layout.gate}`);
        const isHuge = !kernelFacts.asks || mode === "always" || (mode === "madvise" && advised);
        const huge = { size: largest, count: (2 * GIB) / largest };
        assert.deepEqual(taken, [isHuge ? huge : { size: pageSize, count: offsets.length }]);
        assert.equal(layout.gate, isHuge ? "open" : "closed");
        assert.deepEqual(leavesAt(layout.spans[0] ?? [], offsets).tally, taken);
        mapping.close();
      });
    }
  }
});

/** The leaves by the kernel's word, and what the process counted. */
async function countBoth(touch: () => void): Promise<Cost & { taken: LeafTally }> {
  let cost: Cost = { faults: 0, pageTableBytes: 0 };
  const taken = await leavesTakenBy(() => {
    cost = costOf(touch);
  });
  return { ...cost, taken };
}

function hex(address: bigint): string {
  return `0x${address.toString(16)}`;
}
