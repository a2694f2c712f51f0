/** The second stage over device memory: as predicted, as read from its tables, and as KVM counts its leaves. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { before, describe, it, type TestContext } from "node:test";

import { inspectMachine } from "../../../src/inspect/inspect.ts";
import { inspectTables } from "../../../src/inspect/inspect-tables.ts";
import type { InspectedGuestPiece } from "../../../src/inspect/judge/guest-slots.ts";
import type { InspectedProcess } from "../../../src/inspect/inspection.ts";
import { LIVE } from "../../../src/inspect/proc/machine.ts";
import { findTracefs } from "../../../src/inspect/trace/trace-instance.ts";
import { startGuestTrace } from "../../../src/inspect/trace/trace.ts";
import type { LeafCount } from "../../../src/layout/leaves.ts";
import { GIB, MIB } from "../../../src/layout/sizes.ts";
import {
  MADV_HUGEPAGE,
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_NORESERVE,
  MAP_PRIVATE,
  MAP_SHARED,
  PROT_NONE,
  PROT_READ,
  PROT_WRITE,
} from "../../../src/system/constants.ts";
import { linux } from "../../../src/system/libc.ts";
import { openVfioDevice } from "../../../src/vfio/open-device.ts";
import { KVM_MEM_LOG_DIRTY_PAGES } from "./kvm/abi.ts";
import { startMonitor, type Monitor } from "./kvm/monitor.ts";
import { shapes, type Shape, type ShapedSlot } from "./kvm/shapes.ts";
import { bindTo, readAttribute } from "./pci.ts";
import { leavesAt } from "./touching.ts";
import { setTransparentHugepage } from "./transparent-hugepage.ts";

const bdf = "0000:00:10.0";
const bar = 2;
/** Below what the guest's own page tables map, and clear of its low memory. */
const GUEST_BASE = 64n * BigInt(GIB);

before(() => {
  assert.equal(spawnSync("modprobe", ["kvm_amd"]).status, 0);
  bindTo(bdf);
  setTransparentHugepage("always");
});

interface Laid {
  /** The address of the region's first byte. */
  readonly base: bigint;
  readonly monitor: Monitor;
}

/** Maps the shape's areas of the BAR, and makes a virtual machine with its slots. */
function lay(t: TestContext, { host, areas, slots }: Shape): Laid {
  const transport = openVfioDevice(bdf, { api: "group" });
  t.after(() => transport.close());
  const { fd, fdOffset, size } = transport.regionInfo(bar);
  assert.ok(fd !== null);
  const room = size + 3 * GIB;
  const reservation = linux.mmap(0n, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  t.after(() => linux.munmap(reservation, room));
  const gigabyte = BigInt(GIB);
  const base = ((reservation + gigabyte - 1n) / gigabyte) * gigabyte + BigInt(host);
  for (const area of areas) {
    const at = base + BigInt(area.offset);
    linux.mmap(at, area.size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, fdOffset + area.offset);
    linux.madvise(at, area.size, MADV_HUGEPAGE);
  }
  const monitor = startMonitor();
  t.after(() => monitor.close());
  for (const [index, slot] of slots.entries()) {
    monitor.setSlot(index + 1, {
      guestAddress: guestAddressOf(slot),
      size: slot.size,
      hostAddress: base + BigInt(slot.offset),
      ...(slot.flags === undefined ? {} : { flags: slot.flags }),
    });
  }
  return { base, monitor };
}

function guestAddressOf({ guest }: ShapedSlot): bigint {
  return GUEST_BASE + BigInt(guest);
}

/** Stretches of a slot that are touched, from its start: the first byte, every 2 MiB of guest addresses, what is fine. */
function touchesOf({ fine = [] }: Shape, slot: ShapedSlot): { from: number; step: number; count: number }[] {
  const start = (2 * MIB - (Number(guestAddressOf(slot)) % (2 * MIB))) % (2 * MIB);
  const runs = [{ from: 0, step: 4096, count: 1 }];
  if (start < slot.size) {
    runs.push({ from: start, step: 2 * MIB, count: Math.ceil((slot.size - start) / (2 * MIB)) });
  }
  for (const { offset, size } of fine) {
    const from = Math.max(offset - slot.offset, 0);
    const to = Math.min(offset + size - slot.offset, slot.size);
    if (from < to) runs.push({ from, step: 4096, count: (to - from) / 4096 });
  }
  return runs;
}

/** What inspect --tables says of this process. */
function inspectOwn(): InspectedProcess & { readonly pieces: readonly InspectedGuestPiece[] } {
  const [own] = inspectTables(inspectMachine(LIVE, [process.pid], { smaps: "never" })).processes;
  assert.ok(own?.guests?.pieces !== null && own?.guests !== undefined && own.guests !== null);
  return { ...own, pieces: own.guests.pieces };
}

function total(lists: readonly (readonly LeafCount[])[]): Record<number, number> {
  const counts: Record<number, number> = {};
  for (const { size, count } of lists.flat()) counts[size] = (counts[size] ?? 0) + count;
  return counts;
}

function grown(
  before: ReadonlyMap<number, number>,
  after: ReadonlyMap<number, number>,
): Record<number, number> {
  const counts: Record<number, number> = {};
  for (const [size, count] of after) {
    const more = count - (before.get(size) ?? 0);
    if (more !== 0) counts[size] = more;
  }
  return counts;
}

function leavesRead(pieces: readonly InspectedGuestPiece[]): Record<number, number> {
  return total(
    pieces.map(({ reading }) => {
      assert.equal(reading.state, "read");
      return reading.state === "read" ? reading.leaves : [];
    }),
  );
}

describe("the second stage", () => {
  for (const shape of shapes) {
    it(`is as predicted, as read and as counted: ${shape.name}`, (t) => {
      const { base, monitor } = lay(t, shape);
      if (shape.touchedFirst === true) {
        for (const { offset, size } of shape.areas) {
          const bytes = new Uint8Array(linux.view(base + BigInt(offset), size));
          for (let at = 0; at < size; at += 2 * MIB) Atomics.load(bytes, at);
        }
      }
      const counted = monitor.counters();
      for (const slot of shape.slots) {
        for (const { from, step, count } of touchesOf(shape, slot)) {
          monitor.touch(guestAddressOf(slot) + BigInt(from), step, count, shape.how);
        }
      }
      const byKvm = grown(counted, monitor.counters());
      const { pieces, mappings } = inspectOwn();
      const predicted = total(
        pieces.map((piece) => {
          const slot = shape.slots.find((each) => piece.slot.guestAddress === guestAddressOf(each));
          assert.ok(slot !== undefined && piece.spans !== null);
          const start = Number(piece.guestAddress - piece.slot.guestAddress);
          const offsets = touchesOf(shape, slot).flatMap(({ from, step, count }) =>
            Array.from({ length: count }, (_, index) => from + index * step - start).filter(
              (offset) => offset >= 0 && offset < piece.size,
            ),
          );
          return leavesAt(piece.spans, offsets).tally;
        }),
      );
      const read = leavesRead(pieces);
      const host = mappings.map(({ tables }) => tables?.leaves);
      const verdicts = pieces.map(({ verdict, reasons }) => [verdict, ...reasons.map(({ code }) => code)]);
      t.diagnostic(
        `${JSON.stringify(read)}, host ${JSON.stringify(host)}, ${JSON.stringify(verdicts.slice(0, 3))}`,
      );
      assert.deepEqual(read, predicted, "read and predicted");
      assert.deepEqual(byKvm, predicted, "counted by KVM and predicted");
      for (const { difference } of pieces) assert.deepEqual(difference, { smallerBytes: 0, largerBytes: 0 });
    });
  }

  it("is small while dirty pages are logged, and the verdict says so; then it is not", (t) => {
    const slot: ShapedSlot = { offset: 0, size: GIB, guest: 0 };
    const { base, monitor } = lay(t, { name: "", host: 0, areas: [{ offset: 0, size: GIB }], slots: [slot] });
    const setLogging = (flags: number): void => {
      monitor.setSlot(1, { guestAddress: guestAddressOf(slot), size: GIB, hostAddress: base, flags });
    };
    setLogging(KVM_MEM_LOG_DIRTY_PAGES);
    monitor.touch(guestAddressOf(slot), 2 * MIB, 512);
    const [logged] = inspectOwn().pieces;
    assert.deepEqual(
      [logged?.verdict, logged?.reasons.map(({ code }) => code)],
      ["small", ["guest-dirty-log"]],
    );
    setLogging(0);
    monitor.touch(guestAddressOf(slot), 2 * MIB, 512);
    const [after] = inspectOwn().pieces;
    assert.deepEqual([after?.verdict, after?.reasons], ["huge", []]);
    assert.deepEqual(leavesRead(after === undefined ? [] : [after]), { [GIB]: 1 });
  });

  it("is what trace --guest counts, leaf by leaf", async (t) => {
    const slot: ShapedSlot = { offset: 0, size: 2 * GIB + 8 * MIB, guest: 0 };
    const shape = { name: "", host: 0, areas: [{ offset: 0, size: slot.size }], slots: [slot] };
    const { monitor } = lay(t, shape);
    const [start = ""] = readAttribute(bdf, "resource").split("\n")[bar]?.split(" ") ?? [];
    const device = { device: bdf, region: bar, address: BigInt(start), size: 8 * GIB };
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

  it("has no tables yet before the guest touches anything of it, and 512 slots do no harm", (t) => {
    const slots = Array.from({ length: 500 }, (_, index) => ({
      offset: index * 4 * MIB,
      size: 2 * MIB,
      guest: index * 4 * MIB,
    }));
    lay(t, { name: "", host: 0, areas: [{ offset: 0, size: 4 * GIB }], slots });
    const { pieces } = inspectOwn();
    assert.equal(pieces.length, 500);
    assert.deepEqual(leavesRead(pieces), {});
  });
});
