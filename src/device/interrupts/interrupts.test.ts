import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { hugebarError } from "../../errors.ts";
import { openDescriptors } from "../../system/descriptors.fixture.ts";
import { signalEventfd } from "../../system/eventfd-signals.ts";
import { linux } from "../../system/libc.ts";
import { SystemCallError, type System } from "../../system/system.ts";
import { Device } from "../device.ts";
import { memfdTransport } from "../memfd-transport.fixture.ts";
import type { IrqRequest, Transport } from "../transport/transport.ts";
import { VFIO_IRQ_SET_DATA_EVENTFD } from "../transport/vfio-abi.ts";

/** A device with four vectors, and the eventfds that it was given for them. */
function deviceWithVectors(system: System = linux): {
  device: Device;
  eventfds: Map<number, number>;
  requests: IrqRequest[];
  fail: { next: unknown };
} {
  const eventfds = new Map<number, number>();
  const requests: IrqRequest[] = [];
  const fail: { next: unknown } = { next: null };
  const transport: Transport = {
    ...memfdTransport([]),
    irqInfo: (index) => ({ index, flags: 1, count: 4 }),
    setIrqs(request) {
      requests.push(request);
      const { next } = fail;
      fail.next = null;
      if (next !== null) throw next;
      if ((request.flags & VFIO_IRQ_SET_DATA_EVENTFD) === 0) {
        if (request.count === 0) eventfds.clear();
        return;
      }
      for (const [at, fd] of (request.eventfds ?? []).entries()) {
        if (fd === -1) eventfds.delete(request.start + at);
        else eventfds.set(request.start + at, fd);
      }
    },
  };
  const device = new Device(transport, system);
  opened.push(device);
  return { device, eventfds, requests, fail };
}

const opened: Device[] = [];
afterEach(async () => {
  for (const device of opened.splice(0)) device.close();
  await sleep(20); // watches end in a turn of their own
});

describe("listening to interrupts", () => {
  it("survives a peer that has drained the shared eventfd first", async () => {
    const { device, eventfds } = deviceWithVectors();
    const heard: number[] = [];
    device.interrupts("msix").listen([0, 1], ({ vector }) => heard.push(vector));
    const fd = eventfds.get(0) ?? assert.fail();
    for (let round = 0; round < 200; round += 1) {
      signalEventfd(fd);
      try {
        linux.read(fd, new Uint8Array(8));
      } catch (error) {
        assert.ok(error instanceof SystemCallError && error.code === "EAGAIN", String(error));
      }
      if (round % 50 === 0) await sleep(2);
    }
    signalEventfd(eventfds.get(1) ?? assert.fail());
    while (!heard.includes(1)) await sleep(2);
  });

  it("gives the device no eventfd, and keeps none, where it cannot begin", async () => {
    const before = openDescriptors().length;
    let calls = 0;
    const system: System = {
      ...linux,
      eventfd(initial, flags) {
        calls += 1;
        if (calls === 3) throw new SystemCallError("eventfd", 24);
        return linux.eventfd(initial, flags);
      },
    };
    const { device, eventfds, fail } = deviceWithVectors(system);
    const interrupts = device.interrupts("msix");
    assert.throws(() => interrupts.listen([0, 1, 2], () => {}), {
      code: "ERR_SYSTEM",
      message: "Cannot listen to interrupt 2 (msix of memfd:fixture): eventfd: too many open files (EMFILE)",
    });
    assert.equal(eventfds.size, 0);
    fail.next = hugebarError("ERR_DEVICE", { action: "set interrupts", errno: "EINVAL" });
    assert.throws(() => interrupts.listen([0, 1], () => {}), { code: "ERR_DEVICE" });
    assert.equal(eventfds.size, 0);
    const listener = interrupts.listen([0, 1], () => {});
    assert.equal(eventfds.size, 2);
    listener.close();
    while (openDescriptors().length > before) await sleep(5);
  });

  it("is over where the device is gone, and says what else fails", () => {
    const { device, fail } = deviceWithVectors();
    const interrupts = device.interrupts("msix");
    const first = interrupts.listen([0], () => {});
    fail.next = hugebarError("ERR_DISCONNECTED", { action: "set interrupts", problem: "it hung up" });
    first.close();
    const second = interrupts.listen([0], () => {});
    fail.next = hugebarError("ERR_SYSTEM", { action: "set interrupts", problem: "EFAULT" });
    assert.throws(() => second.close(), { code: "ERR_CLOSE", message: /EFAULT/ });
    second.close();
    interrupts.listen([0], () => {}).close();
  });

  it("takes vectors that there are, a function, and nothing else", () => {
    const interrupts = deviceWithVectors().device.interrupts("msix");
    const wrong: unknown[] = [[4], [-1], [0.5], ["0"], [], [undefined], 0, null, "0"];
    for (const vectors of wrong) {
      // @ts-expect-error -- what a caller without types could give
      assert.throws(() => interrupts.listen(vectors, () => {}), { code: "ERR_ARGUMENT" }, String(vectors));
    }
    // @ts-expect-error -- what a caller without types could give
    assert.throws(() => interrupts.listen([0], null), { code: "ERR_ARGUMENT" });
    // @ts-expect-error -- what a caller without types could give
    assert.throws(() => interrupts.events(0, { signal: 5 }), { code: "ERR_ARGUMENT" });
    // @ts-expect-error -- what a caller without types could give
    assert.throws(() => deviceWithVectors().device.interrupts("bogus"), { code: "ERR_ARGUMENT" });
  });
});
