import assert from "node:assert/strict";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { readFileSync } from "node:fs";
import { afterEach, describe, it } from "node:test";
import { openDescriptors } from "../system/descriptors.fixture.ts";
import { HugebarError } from "../errors.ts";
import { linux } from "../system/libc.ts";
import { SystemCallError, type System } from "../system/system.ts";
import { Device } from "./device.ts";
import { memfdTransport, type MemfdTransport } from "./memfd-transport.fixture.ts";

const PAGE = linux.pageSize;

/** The calls on a channel while `action` runs. */
function listen(name: string, action: () => void): unknown[] {
  const events: unknown[] = [];
  const listener = (event: unknown): void => void events.push(event);
  subscribe(name, listener);
  try {
    action();
  } finally {
    unsubscribe(name, listener);
  }
  return events;
}

/** The real system, but its `number`-th mmap fails. */
function failingMmap(number: number): System {
  let calls = 0;
  return {
    ...linux,
    mmap(...call) {
      calls += 1;
      if (calls === number) throw new SystemCallError("mmap", 12);
      return linux.mmap(...call);
    },
  };
}

const opened: Device[] = [];

function open(transport: MemfdTransport, system: System): Device {
  const device = new Device(transport, system);
  opened.push(device);
  return device;
}

describe("Device", () => {
  afterEach(() => {
    for (const device of opened.splice(0)) device.close();
  });

  it("names the regions it has when asked for another", () => {
    const device = open(memfdTransport([{ size: PAGE }, { size: 0 }]), linux);
    for (const index of [2, -1, 0.5, NaN]) {
      assert.throws(
        () => device.region(index),
        /Cannot use region .* of memfd:fixture: it has regions 0 to 1/,
      );
    }
    assert.deepEqual(
      device.regions().map(({ size }) => size),
      [PAGE, 0],
    );
    assert.equal(device.region(0), device.region(0));
  });

  it("closes its mappings and the transport with it", () => {
    const descriptors = openDescriptors().length;
    const device = new Device(memfdTransport([{ size: 4 * PAGE }]), linux);
    const region = device.region(0);
    const bar = region.map();
    device.close();
    device.close();
    assert.equal(openDescriptors().length, descriptors);
    const closed = (error: unknown): boolean => error instanceof HugebarError && error.code === "ERR_CLOSED";
    assert.throws(() => bar.read8(0), closed);
    assert.throws(() => region.map(), closed);
    assert.throws(() => region.read(0, new Uint8Array(1)), closed);
    assert.throws(() => device.region(0), closed);
    assert.throws(() => device.reset(), closed);
  });

  it("reports what happens to regions on the diagnostics channels", () => {
    const device = open(memfdTransport([{ size: 4 * PAGE }]), linux);
    const [setup] = listen("hugebar:region.setup", () => device.region(0));
    assert.deepEqual(setup, { device: "memfd:fixture", region: 0, size: 4 * PAGE, flags: 7, fdOffset: 0 });
    const [map] = listen("hugebar:region.map", () => device.region(0).map());
    assert.partialDeepStrictEqual(map, { device: "memfd:fixture", region: 0, strategy: "region" });
    const unmaps = listen("hugebar:region.unmap", () => device.close());
    assert.equal(unmaps.length, 1);
  });

  it("throws ERR_REGION_MAP with errno and call when an overlay fails, publishes it, and leaves nothing", () => {
    const areas = [
      { offset: 0, size: PAGE },
      { offset: 2 * PAGE, size: PAGE },
    ];
    const device = open(memfdTransport([{ size: 4 * PAGE, areas }]), failingMmap(3));
    const region = device.region(0);
    const memfds = (): number => readFileSync("/proc/self/maps", "utf8").split("memfd:region").length;
    const before = memfds();
    const faults = listen("hugebar:region.mapFault", () => {
      assert.throws(
        () => region.map(),
        (error) =>
          error instanceof HugebarError &&
          error.code === "ERR_REGION_MAP" &&
          error.message.startsWith("Cannot map region 0 of memfd:fixture: ") &&
          error.cause instanceof SystemCallError &&
          error.cause.code === "ENOMEM",
      );
    });
    assert.deepEqual(faults, [
      {
        device: "memfd:fixture",
        region: 0,
        area: { offset: 2 * PAGE, size: PAGE },
        fileRange: { start: 2 * PAGE, end: 3 * PAGE },
        errno: 12,
        call: "mmap",
      },
    ]);
    assert.equal(memfds(), before);
  });

  it("needs a physical address for strategy physical", () => {
    const device = open(memfdTransport([{ size: PAGE }, { size: PAGE, physical: 0x1000n }]), linux);
    assert.throws(() => device.region(0).map({ strategy: "physical" }), /physical address .* is not known/);
    device.region(1).map({ strategy: "physical" });
  });
});
