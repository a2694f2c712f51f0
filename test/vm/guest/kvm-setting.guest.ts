/** What the setting of transparent huge pages leaves in both stages: while it is there, and after it was. */

import assert from "node:assert/strict";
import { before, beforeEach, describe, it } from "node:test";

import { GIB, MIB } from "../../../src/layout/sizes.ts";
import { linux } from "../../../src/system/libc.ts";
import { bdf } from "./inspected-qemu.ts";
import { kernelFacts } from "./kernel.ts";
import { hasKvm } from "./kvm/has-kvm.ts";
import { guestAddressOf, layShape } from "./kvm/laid-shape.ts";
import { grown, inspectMonitor, leavesCounted, leavesRead, total } from "./kvm/leaves-seen.ts";
import type { ShapedSlot } from "./kvm/shapes.ts";
import { bindTo } from "./pci.ts";
import { setTransparentHugepage } from "./transparent-hugepage.ts";

const size = 2 * GIB;
const slot: ShapedSlot = { offset: 0, size, guest: 0 };
const shape = { host: 0, areas: [{ offset: 0, size }], slots: [slot] };
const blocks = size / (2 * MIB);

before(() => {
  assert.ok(hasKvm());
  bindTo(bdf);
});

beforeEach(() => {
  setTransparentHugepage("always");
});

describe("the setting of transparent huge pages", () => {
  it("at never makes both stages small, where the kernel asks it", (t) => {
    setTransparentHugepage("never");
    const { monitor } = layShape(t, shape);
    const counted = leavesCounted(process.pid);
    monitor.touch(guestAddressOf(slot), 2 * MIB, blocks);
    const expected = kernelFacts.asks ? { 4096: blocks } : { [GIB]: 2 };
    assert.deepEqual(grown(counted, leavesCounted(process.pid)), expected);
    const { pieces, mappings } = inspectMonitor(process.pid);
    assert.deepEqual(leavesRead(pieces), expected);
    assert.deepEqual(total(mappings.map(({ tables }) => tables?.leaves ?? [])), expected);
    const said = [...mappings, ...pieces].map(({ verdict, reasons }) =>
      [verdict, ...reasons.map(({ code }) => code)].join(" "),
    );
    assert.deepEqual(said, kernelFacts.asks ? ["small thp-gate", "small guest-host-leaf"] : ["huge", "huge"]);
  });

  it("leaves its leaves in both stages when it is set otherwise, and inspect calls them stale", (t) => {
    setTransparentHugepage("never");
    const { base, monitor } = layShape(t, shape);
    const bytes = new Uint8Array(linux.view(base, 2 * MIB));
    Atomics.load(bytes, 0);
    setTransparentHugepage("always");
    monitor.touch(guestAddressOf(slot), 2 * MIB, blocks);
    const { pieces, mappings } = inspectMonitor(process.pid);
    // One page's table stands in the way of a leaf of 2 MiB, and that one's of a leaf of 1 GiB.
    const expected = kernelFacts.asks ? { 4096: 1, [2 * MIB]: 511, [GIB]: 1 } : { [GIB]: 2 };
    assert.deepEqual(leavesRead(pieces), expected);
    assert.deepEqual(total(mappings.map(({ tables }) => tables?.leaves ?? [])), expected);
    const said = [...mappings, ...pieces].map(({ verdict, reasons }) =>
      [verdict, ...reasons.map(({ code }) => code)].join(" "),
    );
    assert.deepEqual(
      said,
      kernelFacts.asks ? ["partial tables-smaller", "partial tables-smaller"] : ["huge", "huge"],
    );
  });
});
