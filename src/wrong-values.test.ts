/**
 * Wrong values of every kind, at every place of the public API: what comes out is a row of the table of errors, and
 * neither a TypeError from below nor a SystemCallError.
 */

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { openDescriptors } from "./system/descriptors.fixture.ts";
import {
  arrangeAreas,
  gapsOf,
  doctor,
  HugebarError,
  inspect,
  leafSpans,
  openContainer,
  openDevice,
  pagingModels,
  planRegion,
  predictLayout,
  recordMachine,
  serveDevice,
  serveInWorker,
  SharedMemory,
  strategies,
  thpGate,
  trace,
} from "./index.ts";
import { containerOf } from "./open-container.ts";
import { fakeDevice } from "./vfio/devices.fixture.ts";
import { FakeVfio } from "./vfio/fake-vfio.fixture.ts";
import { Device } from "./device/device.ts";
import type { Mapping } from "./device/region/mapping.ts";
import { memfdTransport } from "./device/memfd-transport.fixture.ts";
import { linux } from "./system/libc.ts";
import { closeResult, method, show, tryAll, tryFields, WRONG } from "./wrong-values.fixture.ts";
import { recordMachine as fakeMachine } from "./vfio/sysfs/machine.fixture.ts";
import { servedSocket } from "./vfio-user/server/served-socket.fixture.ts";

function tryMapping(faults: string[], bar: Mapping): void {
  const bytes = new Uint8Array(4);
  for (const name of ["read8", "read16", "read32", "read64", "readLoHi64"]) {
    tryAll(faults, name, [0x100], method(bar, name));
  }
  for (const name of ["write8", "write16", "write32"]) tryAll(faults, name, [0x100, 1], method(bar, name));
  for (const name of ["write64", "writeLoHi64", "writeHiLo64"])
    tryAll(faults, name, [0x100, 1n], method(bar, name));
  for (const name of ["copyOut", "copyIn"]) tryAll(faults, name, [0x100, bytes], method(bar, name));
  for (const name of ["view", "address"]) tryAll(faults, name, [0x100, 4], method(bar, name));
  tryAll(faults, "setEnabled", [true], method(bar, "setEnabled"));
  tryAll(faults, "verify", [{}], method(bar, "verify"));
  for (const option of ["offset", "length", "maxTouches"]) {
    tryAll(faults, `verify ${option}`, [undefined], (value) => method(bar, "verify")({ [option]: value }));
  }
}

describe("wrong values", () => {
  const socket = servedSocket("dma-device.fixture.ts");

  it("of the functions that open and serve", async () => {
    const faults: string[] = [];
    const before = openDescriptors().length;
    const untyped = { openDevice, openContainer };
    tryAll(faults, "openDevice", ["vfio-user:/nowhere", {}], method(untyped, "openDevice"));
    tryAll(faults, "openContainer", ["0000:7f:1f.7", {}], method(untyped, "openContainer"));
    tryAll(
      faults,
      "new SharedMemory",
      [4096, "name"],
      (...values) => Reflect.construct(SharedMemory, values) as unknown,
    );
    for (const option of ["api", "enableMemory", "vfToken", "timeoutMilliseconds"]) {
      tryAll(faults, `openDevice ${option}`, [1], (value) => {
        method(untyped, "openDevice")("0000:7f:1f.7", { [option]: value });
      });
      tryAll(faults, `openDevice ${option} at a socket`, [1], (value) => {
        closeResult(method(untyped, "openDevice")(`vfio-user:${socket}`, { [option]: value }));
      });
    }
    assert.deepEqual(faults, []);
    // The server, in another thread of this process, closes its ends in its own time.
    while (openDescriptors().length > before) await sleep(5);
  });

  it("of a device to serve", async (test) => {
    const faults: string[] = [];
    const folder = mkdtempSync(join(tmpdir(), "hugebar-wrong-"));
    test.after(() => rmSync(folder, { recursive: true }));
    const before = openDescriptors().length;
    const path = join(folder, "wrong.sock");
    const serve = method({ serveDevice }, "serveDevice");
    const ioeventfd = { offset: 8, size: 4, datamatch: 1n, onKick: () => {} };
    const region = {
      index: 0,
      size: 0x4000,
      memory: "sparse",
      areas: [{ offset: 0x1000, size: 0x1000 }],
      readOnly: false,
      read: () => {},
      write: () => {},
      ioeventfds: [ioeventfd],
    };
    const msix = { type: "msix", vectors: 4, table: { bar: 0, offset: 0 }, pba: { bar: 0, offset: 0x800 } };
    const msi = { type: "msi", vectors: 1 };
    const vendor = { type: "vendor", data: new Uint8Array(3) };
    const pci = {
      vendor: 1,
      device: 2,
      subsystemVendor: 3,
      subsystem: 4,
      class: 5,
      revision: 6,
      intx: true,
      capabilities: [msi, msix, vendor],
    };
    const device = { pci, regions: [region], reset: () => {}, connected: () => {}, disconnected: () => {} };
    const options = { socket: path, onError: () => {} };
    // Servers close in their own time: each gets a socket of its own.
    let served = 0;
    const own = (): object => ({ ...options, socket: join(folder, `${(served += 1)}.sock`) });
    const tryField = (what: string, right: object, whole: (wrong: object) => unknown): void =>
      tryFields(faults, what, right, (wrong) => serve(whole(wrong), own()));
    tryAll(faults, "serveDevice", [device], (wrong) => serve(wrong, own()));
    tryAll(faults, "serveDevice options", [options], (wrong) => serve(device, wrong));
    tryAll(faults, "serveDevice onError", [options.onError], (onError) =>
      serve(device, { ...own(), onError }),
    );
    for (const socket of WRONG.filter((value) => value !== "0")) {
      tryAll(faults, `serveDevice socket ${show(socket)}`, [0], () => serve(device, { socket }));
    }
    tryField("device", device, (wrong) => wrong);
    tryField("region", region, (wrong) => ({ ...device, regions: [wrong] }));
    tryField("area", region.areas[0] ?? {}, (wrong) => ({
      ...device,
      regions: [{ ...region, areas: [wrong] }],
    }));
    tryField("ioeventfd", ioeventfd, (wrong) => ({
      ...device,
      regions: [{ ...region, ioeventfds: [wrong] }],
    }));
    tryField("pci", pci, (wrong) => ({ ...device, pci: wrong }));
    for (const capability of [msix, msi, vendor]) {
      tryField(capability.type, capability, (wrong) => ({
        ...device,
        pci: { ...pci, capabilities: [wrong] },
      }));
    }
    tryField("table", msix.table, (wrong) => ({
      ...device,
      pci: { ...pci, capabilities: [{ ...msix, table: wrong }] },
    }));
    assert.deepEqual(faults, []);
    while (openDescriptors().length > before) await sleep(5);
  });

  it("of a device to serve in a worker", async () => {
    const start = method({ serveInWorker }, "serveInWorker");
    const module = new URL("file:///nowhere/device.ts");
    for (const value of WRONG) {
      await assert.rejects(async () => await start(value, { socket: "/nowhere" }), { code: "ERR_ARGUMENT" });
      if (typeof value === "string") continue;
      await assert.rejects(async () => await start(module, { socket: value }), { code: "ERR_ARGUMENT" });
      if (typeof value === "object" && value !== null) continue;
      await assert.rejects(async () => await start(module, value), { code: "ERR_ARGUMENT" });
    }
    for (const data of [Symbol("wrong"), () => 1, new Proxy({}, {})]) {
      await assert.rejects(async () => await start(module, { socket: "/nowhere", data }), {
        code: "ERR_ARGUMENT",
        message: /^Cannot use data /,
      });
    }
  });

  it("of the functions that compute layouts", () => {
    const faults: string[] = [];
    const functions = { arrangeAreas, gapsOf, leafSpans, planRegion, predictLayout };
    const model = pagingModels["x86-64"];
    const areas = [{ offset: 0x1000, size: 0x3000 }];
    const region = { size: 0x8000, areas, physical: 0x10_0000n };
    const range = { address: 0x20_0000n, size: 0x8000, physical: 0x10_0000n };
    const handler = { mapsWrongMemory: false, dependsOnOrder: null };
    tryAll(faults, "arrangeAreas", [0x8000, areas, 0x1000, "x"], method(functions, "arrangeAreas"));
    tryAll(faults, "gapsOf", [0x8000, areas], method(functions, "gapsOf"));
    tryAll(faults, "leafSpans", [range, model, {}], method(functions, "leafSpans"));
    for (const strategy of strategies) {
      const plan = method(functions, "planRegion");
      tryAll(faults, "planRegion", [region, strategy, model], plan);
      tryFields(faults, "planRegion region", region, (wrong) => plan(wrong, strategy, model));
      tryFields(faults, "planRegion model", model, (wrong) => plan(region, strategy, wrong));
      tryFields(faults, "planRegion area", areas[0] ?? {}, (wrong) =>
        plan({ ...region, areas: [wrong] }, strategy, model),
      );
    }
    const predict = method(functions, "predictLayout");
    for (const gate of ["open", "closed", "unknown"]) {
      tryAll(faults, "predictLayout", [[range], model, gate, handler], predict);
      tryFields(faults, "predictLayout range", range, (wrong) => predict([wrong], model, gate, handler));
      tryFields(faults, "predictLayout model", model, (wrong) => predict([range], wrong, gate, handler));
      tryFields(faults, "predictLayout handler", handler, (wrong) => predict([range], model, gate, wrong));
    }
    const spans = method(functions, "leafSpans");
    tryFields(faults, "leafSpans range", range, (wrong) => spans(wrong, model));
    tryFields(faults, "leafSpans model", model, (wrong) => spans(range, wrong));
    tryFields(faults, "leafSpans options", { largestLeaf: 0x1000 }, (wrong) => spans(range, model, wrong));
    for (const name of ["arrangeAreas", "gapsOf"]) {
      const call = method(functions, name);
      tryFields(faults, `${name} area`, areas[0] ?? {}, (wrong) => call(0x8000, [wrong], 0x1000));
    }
    assert.deepEqual(faults, []);
  });

  it("of what a gate depends on", () => {
    const faults: string[] = [];
    const gate = method({ thpGate }, "thpGate");
    const state = {
      kernel: "6.12.107",
      enabled: "madvise",
      advised: false,
      forbidden: false,
      disabled: null,
      withoutThp: false,
      arch: "x86_64",
      way: "vfio",
      driver: "vfio-pci",
      region: 0,
    };
    tryAll(faults, "thpGate", [state], gate);
    tryFields(faults, "thpGate state", state, gate);
    for (const enabled of ["sometimes", "ALWAYS", true]) {
      assert.throws(() => gate({ ...state, enabled }), { code: "ERR_ARGUMENT" });
    }
    assert.throws(() => gate({ ...state, way: "wire" }), { code: "ERR_ARGUMENT" });
    assert.deepEqual(faults, []);
  });

  it("of a device and what comes from it", () => {
    const faults: string[] = [];
    const device = openDevice(`vfio-user:${socket}`);
    after(() => device.close());
    tryAll(faults, "region", [0], (...values) => void method(device, "region")(...values));
    tryAll(faults, "interrupts", ["msix"], (...values) => void method(device, "interrupts")(...values));
    const region = device.region(0);
    const bytes = new Uint8Array(4);
    tryAll(faults, "region.read", [0x100, bytes], method(region, "read"));
    tryAll(faults, "region.write", [0x100, bytes], method(region, "write"));
    tryAll(faults, "region.map", [{}], method(region, "map"));
    tryFields(faults, "region.map", {}, method(region, "map"), ["strategy", "gaps", "areas", "map"]);
    tryMapping(faults, region.map());
    const { config } = device;
    for (const name of ["read8", "read16", "read32"])
      tryAll(faults, `config.${name}`, [0x80], method(config, name));
    for (const name of ["write8", "write16", "write32"])
      tryAll(faults, `config.${name}`, [0x80, 1], method(config, name));
    tryAll(faults, "config.setPowerState", ["D0"], method(config, "setPowerState"));
    const interrupts = device.interrupts("msi");
    tryAll(faults, "listen", [[0], () => {}], method(interrupts, "listen"));
    tryAll(faults, "events", [0, {}], method(interrupts, "events"));
    tryFields(faults, "events", {}, (wrong) => method(interrupts, "events")(0, wrong), ["signal"]);
    for (const name of ["mask", "unmask", "trigger"]) tryAll(faults, name, [0], method(interrupts, name));
    const memory = new SharedMemory(0x4000);
    after(() => memory.close());
    tryAll(faults, "memory.bytes", [0, 4], method(memory, "bytes"));
    tryAll(faults, "dma.map", [memory, 0x10_0000n, {}], method(device.dma, "map"));
    for (const option of ["offset", "size", "readable", "writable"]) {
      tryAll(faults, `dma.map ${option}`, [undefined], (value) =>
        method(device.dma, "map")(memory, 0x10_0000n, { [option]: value }),
      );
    }
    tryAll(faults, "dma.allocate", [4096, {}], method(device.dma, "allocate"));
    for (const option of ["highest", "alignment"]) {
      tryAll(faults, `dma.allocate ${option}`, [undefined], (value) =>
        method(device.dma, "allocate")(4096, { [option]: value }),
      );
    }
    assert.deepEqual(faults, []);
  });

  it("of a region that is mapped", () => {
    const faults: string[] = [];
    const areas = [
      { offset: 0, size: 0x1000 },
      { offset: 0x3000, size: 0x2000 },
    ];
    const device = new Device(memfdTransport([{ size: 0x10_000, areas }]), linux);
    after(() => device.close());
    const bar = device.region(0).map();
    for (const offset of [0, 0x2ff8, 0x3100]) bar.read32(offset);
    tryMapping(faults, bar);
    assert.deepEqual(faults, []);
  });

  it("of what looks at a machine", async (test) => {
    const faults: string[] = [];
    const folder = mkdtempSync(join(tmpdir(), "hugebar-wrong-"));
    test.after(() => rmSync(folder, { recursive: true }));
    const machine = new URL("../test/machines/x86-tables/", import.meta.url).pathname;
    const roots = { proc: join(machine, "proc"), sys: join(machine, "sys") };
    let records = 0;
    const own = (): string => join(folder, String((records += 1)));
    const untyped = { inspect, doctor, recordMachine, trace };
    const [inspecting, diagnosing, recording, tracing] = Object.keys(untyped).map((name) =>
      method(untyped, name),
    );
    assert.ok(inspecting && diagnosing && recording && tracing);
    tryAll(faults, "inspect", [roots], inspecting);
    tryAll(faults, "doctor", [roots], diagnosing);
    tryAll(faults, "recordMachine options", [roots], (wrong) => recording(own(), wrong));
    tryAll(faults, "recordMachine folder", [own()], (wrong) => wrong === "0" || recording(wrong, roots));
    for (const option of ["proc", "sys", "pids", "tables", "smaps"]) {
      const wrongly = (wrong: unknown): object => ({ ...roots, [option]: wrong });
      tryAll(faults, `inspect ${option}`, [undefined], (wrong) => inspecting(wrongly(wrong)));
      tryAll(faults, `doctor ${option}`, [undefined], (wrong) => diagnosing(wrongly(wrong)));
      tryAll(faults, `recordMachine ${option}`, [undefined], (wrong) => recording(own(), wrongly(wrong)));
    }
    const signal = AbortSignal.abort();
    const right = { seconds: 0.01, signal };
    const traced = WRONG.flatMap((wrong) => [
      wrong,
      { ...right, pids: wrong },
      { ...right, seconds: wrong },
      { ...right, signal: wrong },
    ]);
    for (const options of traced) {
      try {
        await tracing(options);
      } catch (error) {
        if (!(error instanceof HugebarError)) faults.push(`trace ${show(options)}: ${String(error)}`);
      }
    }
    assert.deepEqual(faults, []);
  });

  it("of a container and its devices", (test) => {
    const faults: string[] = [];
    const vfio = new FakeVfio([fakeDevice("0000:01:00.0")]);
    const sys = fakeMachine(test, [{ bdf: "0000:01:00.0" }]);
    for (const api of ["group", "cdev"] as const) {
      const container = containerOf("0000:01:00.0", { api, sys, system: vfio.system });
      tryAll(faults, "container.openDevice", ["0000:01:00.0", {}], method(container, "openDevice"));
      for (const option of ["enableMemory", "vfToken"]) {
        tryAll(faults, `container.openDevice ${option}`, [undefined], (value) =>
          method(container, "openDevice")("0000:01:00.0", { [option]: value }),
        );
      }
      const device = container.openDevice("0000:01:00.0");
      const memory = new SharedMemory(0x2000);
      const mapping = device.dma.map(memory, 0x10_0000n);
      const tracking = container.dma.trackDirty();
      const written = method(tracking, "written");
      tryAll(faults, "written", [mapping], written);
      tryFields(faults, "written", { iova: mapping.iova, size: mapping.size }, written);
      container.close();
      memory.close();
      assert.equal(vfio.openFiles, 0);
    }
    tryFields(
      faults,
      "containerOf",
      { sys, system: vfio.system },
      (wrong) => closeResult(method({ containerOf }, "containerOf")("0000:01:00.0", wrong)),
      ["api"],
    );
    assert.deepEqual(faults, []);
  });
});
