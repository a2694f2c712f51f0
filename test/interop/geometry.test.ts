/**
 * QEMU maps a region by the very algorithm that hugebar's `region` strategy follows: attached to the same devices,
 * both must have the same VMAs.
 */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fstatSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";

import * as v from "valibot";

import type { Area } from "../../src/layout/areas.ts";
import { GIB, KIB, MIB } from "../../src/layout/sizes.ts";
import { SharedMemory } from "../../src/memory/shared-memory.ts";
import { serveDevice } from "../../src/vfio-user/server/server.ts";
import { vfioUserPci } from "../vm/devices.ts";
import { lacksQemu } from "../vm/guest-tests.ts";
import { repository } from "../vm/provision/cache.ts";
import { geometryOf, type Geometry, inaccessible, readVmas } from "./geometry.ts";
import { HeldPipe } from "./held-pipe.ts";
import { startPausedQemu } from "./paused-qemu.ts";
import { until } from "./until.ts";
import { watchedConfigSpace } from "./watched-config-space.ts";

const BAR = 2;

interface Shape {
  readonly name: string;
  readonly size: number;
  readonly areas: readonly Area[];
  /** What both must reach: the smaller of 1 GiB and the power of two that holds the region. */
  readonly alignment: number;
}

const wholeShape: Shape = {
  name: "one area",
  size: 4 * GIB,
  areas: [{ offset: 0, size: 4 * GIB }],
  alignment: GIB,
};
const shapes: readonly Shape[] = [
  wholeShape,
  {
    name: "several areas with gaps, listed in no order",
    size: 8 * GIB,
    areas: [
      { offset: 2 * GIB, size: GIB },
      { offset: 4 * KIB, size: 8 * KIB },
      { offset: 5 * GIB, size: 28 * KIB },
      { offset: 64 * MIB, size: 0x203000 },
    ],
    alignment: GIB,
  },
  {
    name: "the GB200's device memory",
    size: 0x40_0000_0000,
    areas: [{ offset: 0, size: 0x2f_00f0_0000 }],
    alignment: GIB,
  },
  {
    name: "an area at an odd offset",
    size: 16 * MIB,
    areas: [{ offset: 0x20b000, size: 0x401000 }],
    alignment: 16 * MIB,
  },
  // Nothing is mapped, and so nothing aligned: to a page, hugebar says.
  { name: "gaps only", size: MIB, areas: [], alignment: 4 * KIB },
];

/** QEMU maps this one too, and then aborts: a BAR's size is a power of two, and it finds that out too late. */
const oddShape: Shape = {
  name: "3 MiB",
  size: 3 * MIB,
  areas: [{ offset: 0, size: 3 * MIB }],
  alignment: 4 * MIB,
};

/** glibc reserves room for a thread's heap in pieces of at most this. */
const largestOwnReservation = 64 * MIB;

/** In milliseconds, for when one of them hangs; provisioning QEMU takes a minute. */
const timeout = 300_000;

describe("QEMU and hugebar lay out alike", () => {
  it("what QEMU takes", { timeout }, async (t) => {
    if (await lacksQemu(t, "region-aligned")) return;
    const served = shapes.map((shape) => serveShape(t, shape));
    const mapped: Mapped[] = [];
    // One client at a time: hugebar first.
    for (const device of served) mapped.push(await mapByTool(t, device));
    const qemu = startPausedQemu(served.map(({ socket }) => vfioUserPci(socket)));
    t.after(() => qemu.end("SIGKILL"));
    await qemu.attached();
    for (const [index, device] of served.entries()) {
      await t.test(device.shape.name, (t) => assertAlike(t, device, mapped[index], qemu.pid));
    }
    await qemu.end();
  });

  it("and what it aborts over", { timeout }, async (t) => {
    if (await lacksQemu(t, "region-aligned")) return;
    const lastWords = new HeldPipe(t);
    const device = serveShape(t, oddShape, () => lastWords.fill());
    const mapped = await mapByTool(t, device);
    lastWords.drain();
    const qemu = startPausedQemu([vfioUserPci(device.socket)], { stderr: lastWords.writer });
    t.after(() => qemu.end("SIGKILL"));
    await until("the mapping", () => geometryOf(readVmas(qemu.pid), device.inode).areas.length > 0);
    await t.test(oddShape.name, (t) => assertAlike(t, device, mapped, qemu.pid));
    await lastWords.until(/Assertion `is_power_of_2\(size\)' failed/);
    await qemu.end("SIGKILL");
  });
});

interface Served {
  readonly shape: Shape;
  readonly socket: string;
  /** Of the memory behind the region. */
  readonly inode: number;
}

/** Serves a device with a region of this shape; `beforeMapping` is called when QEMU is about to map it. */
function serveShape(t: TestContext, shape: Shape, beforeMapping?: () => void): Served {
  const folder = mkdtempSync(join(tmpdir(), "hugebar-test-"));
  const memory = new SharedMemory(shape.size);
  const socket = join(folder, "device.sock");
  const region = { index: BAR, memory, areas: shape.areas };
  const server = serveDevice(
    beforeMapping === undefined
      ? { pci: { vendor: 0x1b36, device: 0x0005 }, regions: [region] }
      : { regions: [region, watchedConfigSpace({ bar: BAR, onRead: beforeMapping })] },
    { socket },
  );
  t.after(async () => {
    await server.close();
    memory.close();
    rmSync(folder, { recursive: true });
  });
  return { shape, socket, inode: fstatSync(memory.fd).ino };
}

const mapJson = v.object({
  base: v.string(),
  alignment: v.number(),
  mappings: v.array(v.object({ offset: v.number(), size: v.number() })),
  gaps: v.array(v.object({ offset: v.number(), size: v.number() })),
});

interface Mapped {
  readonly json: v.InferOutput<typeof mapJson>;
  readonly geometry: Geometry;
}

/** Maps the region by `hugebar map`, looks at the process, and ends it. */
async function mapByTool(t: TestContext, { socket, inode }: Served): Promise<Mapped> {
  const words = ["map", `vfio-user:${socket}`, "--region", String(BAR), "--json", "--hold"];
  const child = spawn(process.execPath, [join(repository, "src/cli/main.ts"), ...words], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  t.after(() => child.kill("SIGKILL"));
  // Its output has been read whole by then.
  const close = once(child, "close");
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  // It says so when the mapping stands.
  await Promise.race([once(child.stderr, "data"), close]);
  const geometry = geometryOf(readVmas(child.pid ?? 0), inode);
  child.kill("SIGTERM");
  assert.deepEqual(await close, [143, null]);
  return { json: v.parse(mapJson, JSON.parse(output)), geometry };
}

function assertAlike(
  t: TestContext,
  { shape, inode }: Served,
  mapped: Mapped | undefined,
  qemuPid: number,
): void {
  assert.ok(mapped !== undefined);
  const { json, geometry } = mapped;
  const vmas = readVmas(qemuPid);
  const ofQemu = geometryOf(vmas, inode);
  t.diagnostic(`hugebar: ${describeGeometry(geometry)}`);
  t.diagnostic(`QEMU: ${describeGeometry(ofQemu)}`);

  assert.deepEqual(ofQemu.areas, geometry.areas);
  assert.deepEqual(
    ofQemu.areas.map(({ offset, size }) => ({ offset, size })),
    json.mappings,
  );
  assert.deepEqual(json.mappings, sorted(shape.areas));
  assert.equal(json.alignment, shape.alignment);
  for (const bases of [geometry.bases, ofQemu.bases]) {
    // Every area of a region gives the same base.
    assert.equal(bases.length, shape.areas.length === 0 ? 0 : 1);
    for (const base of bases) assert.equal(base % BigInt(shape.alignment), 0n);
  }
  const [base] = ofQemu.bases;
  if (base === undefined) return;
  assert.equal(json.base, hex(geometry.bases[0] ?? 0n));
  for (const { start, end, size } of inaccessible(vmas)) {
    const holdsGap = json.gaps.some(
      (gap) => start <= base + BigInt(gap.offset) && end >= base + BigInt(gap.offset + gap.size),
    );
    assert.ok(!holdsGap, `QEMU holds the gap at ${hex(start)}`);
    assert.ok(size <= largestOwnReservation, `QEMU holds a reservation at ${hex(start)}`);
  }
}

function describeGeometry({ bases, areas }: Geometry): string {
  const listed = areas.map(({ offset, size, permissions }) => `${hex(offset)}+${hex(size)} ${permissions}`);
  return `base ${bases.map(hex).join(", ") || "none"}, areas ${listed.join(", ") || "none"}`;
}

function sorted(areas: readonly Area[]): Area[] {
  return [...areas].sort((one, other) => one.offset - other.offset);
}

function hex(value: number | bigint): string {
  return `0x${value.toString(16)}`;
}
