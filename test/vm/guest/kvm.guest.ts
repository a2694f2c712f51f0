/** The second stage over device memory: as predicted, as read from its tables, and as KVM counts its leaves where it does. */

import assert from "node:assert/strict";
import { before, describe, it } from "node:test";

import { LIVE } from "../../../src/inspect/proc/machine.ts";
import { findTracefs } from "../../../src/inspect/trace/trace-instance.ts";
import { startGuestTrace } from "../../../src/inspect/trace/trace.ts";
import { GIB, MIB } from "../../../src/layout/sizes.ts";
import { linux } from "../../../src/system/libc.ts";
import { bar, bdf } from "./inspected-qemu.ts";
import { KVM_MEM_LOG_DIRTY_PAGES } from "./kvm/abi.ts";
import { hasKvm } from "./kvm/has-kvm.ts";
import { guestAddressOf, layShape } from "./kvm/laid-shape.ts";
import { grown, inspectMonitor, leavesCounted, leavesPredicted, leavesRead } from "./kvm/leaves-seen.ts";
import { shapes, type Shape, type ShapedSlot } from "./kvm/shapes.ts";
import { arch, pageSize, pmdSize } from "./paging.ts";
import { bindTo, readAttribute } from "./pci.ts";
import { setTransparentHugepage } from "./transparent-hugepage.ts";

/** Whether it is x86-64's KVM, which counts its leaves, has a tracepoint for each, and logs dirty pages of device memory. */
const isX86 = arch === "x86_64";

before(() => {
  assert.ok(hasKvm());
  bindTo(bdf);
  setTransparentHugepage("always");
});

/** Stretches of a slot that are touched, from its start: the first byte, every PMD of guest addresses, what is fine. */
function touchesOf({ fine = [] }: Shape, slot: ShapedSlot): { from: number; step: number; count: number }[] {
  const start = (pmdSize - (Number(guestAddressOf(slot)) % pmdSize)) % pmdSize;
  const runs = [{ from: 0, step: pageSize, count: 1 }];
  if (start < slot.size) {
    runs.push({ from: start, step: pmdSize, count: Math.ceil((slot.size - start) / pmdSize) });
  }
  for (const { offset, size } of fine) {
    const from = Math.max(offset - slot.offset, 0);
    const to = Math.min(offset + size - slot.offset, slot.size);
    if (from < to) runs.push({ from, step: pageSize, count: (to - from) / pageSize });
  }
  return runs;
}

describe("the second stage", () => {
  const logs = ({ slots }: Shape): boolean => slots.some(({ flags }) => flags === KVM_MEM_LOG_DIRTY_PAGES);
  for (const shape of shapes.filter((each) => isX86 || !logs(each))) {
    it(`is as predicted${isX86 ? ", as read and as counted" : " and as read"}: ${shape.name}`, (t) => {
      const { base, monitor } = layShape(t, shape);
      if (shape.touchedFirst === true) {
        for (const { offset, size } of shape.areas) {
          const bytes = new Uint8Array(linux.view(base + BigInt(offset), size));
          for (let at = 0; at < size; at += pmdSize) Atomics.load(bytes, at);
        }
      }
      const counted = isX86 ? leavesCounted(process.pid) : {};
      for (const slot of shape.slots) {
        for (const { from, step, count } of touchesOf(shape, slot)) {
          monitor.touch(guestAddressOf(slot) + BigInt(from), step, count, shape.how);
        }
      }
      const byKvm = isX86 ? grown(counted, leavesCounted(process.pid)) : null;
      const { pieces, mappings } = inspectMonitor(process.pid);
      const predicted = leavesPredicted(pieces, (piece) => {
        const slot = shape.slots.find((each) => piece.slot.guestAddress === guestAddressOf(each));
        assert.ok(slot !== undefined);
        const start = Number(piece.guestAddress - piece.slot.guestAddress);
        return touchesOf(shape, slot).flatMap(({ from, step, count }) =>
          Array.from({ length: count }, (_, index) => from + index * step - start),
        );
      });
      const read = leavesRead(pieces);
      const host = mappings.map(({ tables }) => tables?.leaves);
      const verdicts = pieces.map(({ verdict, reasons }) => [verdict, ...reasons.map(({ code }) => code)]);
      t.diagnostic(
        `${JSON.stringify(read)}, host ${JSON.stringify(host)}, ${JSON.stringify(verdicts.slice(0, 3))}`,
      );
      assert.deepEqual(read, predicted, "read and predicted");
      if (byKvm !== null) assert.deepEqual(byKvm, predicted, "counted by KVM and predicted");
      for (const { difference, verdict, reasons } of pieces) {
        assert.deepEqual(difference, { smallerBytes: 0, largerBytes: 0 });
        assert.equal(verdict === "huge", reasons.length === 0, "what is good has nothing to mend");
      }
    });
  }

  if (isX86) {
    it("is small while dirty pages are logged, and the verdict says so; then it is not", (t) => {
      const slot: ShapedSlot = { offset: 0, size: GIB, guest: 0 };
      const { base, monitor } = layShape(t, { host: 0, areas: [{ offset: 0, size: GIB }], slots: [slot] });
      const setLogging = (flags: number): void => {
        monitor.setSlot(1, { guestAddress: guestAddressOf(slot), size: GIB, hostAddress: base, flags });
      };
      setLogging(KVM_MEM_LOG_DIRTY_PAGES);
      monitor.touch(guestAddressOf(slot), 2 * MIB, 512);
      const [logged] = inspectMonitor(process.pid).pieces;
      assert.deepEqual(
        [logged?.verdict, logged?.reasons.map(({ code }) => code)],
        ["small", ["guest-dirty-log"]],
      );
      setLogging(0);
      monitor.touch(guestAddressOf(slot), 2 * MIB, 512);
      const [after] = inspectMonitor(process.pid).pieces;
      assert.deepEqual([after?.verdict, after?.reasons], ["huge", []]);
      assert.deepEqual(leavesRead(after === undefined ? [] : [after]), { [GIB]: 1 });
    });

    it("is what trace --guest counts, leaf by leaf", async (t) => {
      const slot: ShapedSlot = { offset: 0, size: 2 * GIB + 8 * MIB, guest: 0 };
      const shape = { host: 0, areas: [{ offset: 0, size: slot.size }], slots: [slot] };
      const { monitor } = layShape(t, shape);
      const [start = ""] = readAttribute(bdf, "resource").split("\n")[bar]?.split(" ") ?? [];
      const device = { device: bdf, region: bar, address: BigInt(start), size: 4 * GIB };
      const trace = await startGuestTrace(findTracefs(LIVE.sys), LIVE.proc, [device]);
      try {
        monitor.touch(guestAddressOf(slot), 2 * MIB, slot.size / (2 * MIB));
        trace.read();
      } finally {
        await trace.stop();
      }
      assert.equal(trace.lost(), 0);
      assert.deepEqual(
        trace.counts().map(({ pid, region, size, laid }) => [pid, region, size, laid]),
        [
          [process.pid, bar, GIB, 2],
          [process.pid, bar, 2 * MIB, 4],
        ],
      );
    });
  } else {
    it("logs no dirty pages of device memory", (t) => {
      const shape = shapes.find(logs);
      assert.ok(shape !== undefined);
      assert.throws(() => layShape(t, shape), { code: "EINVAL" });
    });
  }

  it("has no tables yet before the guest touches anything of it, and 512 slots do no harm", (t) => {
    const slots = Array.from({ length: 500 }, (_, index) => ({
      offset: index * 4 * MIB,
      size: 2 * MIB,
      guest: index * 4 * MIB,
    }));
    layShape(t, { host: 0, areas: [{ offset: 0, size: 4 * GIB }], slots });
    const { pieces } = inspectMonitor(process.pid);
    assert.equal(pieces.length, 500);
    assert.deepEqual(leavesRead(pieces), {});
  });
});
