/** Interrupts as a device raises them, and as its client masks, unmasks and hears them. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  VFIO_IRQ_SET_ACTION_MASK,
  VFIO_IRQ_SET_ACTION_TRIGGER,
  VFIO_IRQ_SET_ACTION_UNMASK,
  VFIO_IRQ_SET_DATA_BOOL,
  VFIO_IRQ_SET_DATA_EVENTFD,
  VFIO_IRQ_SET_DATA_NONE,
  VFIO_PCI_INTX_IRQ_INDEX,
  VFIO_PCI_MSI_IRQ_INDEX,
  VFIO_PCI_MSIX_IRQ_INDEX,
} from "../device/transport/vfio-abi.ts";
import { EFD_CLOEXEC, EFD_NONBLOCK, MFD_CLOEXEC, POLLIN } from "../system/constants.ts";
import { linux } from "../system/libc.ts";
import { MSIX_PBA, NOTHING, RAISE, RAISE_INTX } from "./server/dma-device.fixture.ts";
import { drivenDevice, take } from "./driven-device.fixture.ts";

const device = drivenDevice();
const { order, listen, undo } = device;

describe("interrupts", () => {
  it("are as many as the device's capabilities say", () => {
    assert.deepEqual(device.client.irqInfo(VFIO_PCI_INTX_IRQ_INDEX), { index: 0, flags: 7, count: 1 });
    assert.deepEqual(device.client.irqInfo(VFIO_PCI_MSI_IRQ_INDEX), { index: 1, flags: 1, count: 4 });
    assert.deepEqual(device.client.irqInfo(VFIO_PCI_MSIX_IRQ_INDEX), { index: 2, flags: 1, count: 8 });
    assert.deepEqual(device.client.irqInfo(3), { index: 3, flags: 1, count: 1 });
    assert.deepEqual(device.client.irqInfo(4), { index: 4, flags: 1, count: 1 });
    assert.throws(() => device.client.irqInfo(5), { code: "ERR_ARGUMENT" });
  });

  it("signal the eventfd of their vector, and no other", () => {
    const [first, second, third] = listen(VFIO_PCI_MSIX_IRQ_INDEX, 2, 3);
    order(RAISE, 3, 0n, 0);
    order(RAISE, 3, 0n, 0);
    assert.equal(take(second), 2);
    assert.equal(take(first, 0), 0);
    assert.equal(take(third, 0), 0);
    order(RAISE, 7, 0n, 0);
  });

  it("are silent while masked, and told of afterwards, once", () => {
    const [eventfd] = listen(VFIO_PCI_INTX_IRQ_INDEX, 0, 1);
    const set = (action: number) =>
      device.client.setIrqs({
        index: VFIO_PCI_INTX_IRQ_INDEX,
        flags: VFIO_IRQ_SET_DATA_NONE | action,
        start: 0,
        count: 1,
      });
    set(VFIO_IRQ_SET_ACTION_MASK);
    order(RAISE_INTX, 0, 0n, 0);
    order(RAISE_INTX, 0, 0n, 0);
    assert.equal(take(eventfd, 0), 0);
    set(VFIO_IRQ_SET_ACTION_UNMASK);
    assert.equal(take(eventfd), 1);
  });

  it("cannot be masked where they are no level, and are raised all the same", () => {
    const [eventfd] = listen(VFIO_PCI_MSIX_IRQ_INDEX, 0, 1);
    for (const index of [VFIO_PCI_MSI_IRQ_INDEX, VFIO_PCI_MSIX_IRQ_INDEX, 3, 4]) {
      for (const action of [VFIO_IRQ_SET_ACTION_MASK, VFIO_IRQ_SET_ACTION_UNMASK]) {
        const request = { index, start: 0, count: 1 };
        const refused = { code: "ERR_DEVICE", message: /ENOTTY/ };
        const none = { ...request, flags: VFIO_IRQ_SET_DATA_NONE | action };
        const bool = { ...request, flags: VFIO_IRQ_SET_DATA_BOOL | action, data: Uint8Array.of(1) };
        assert.throws(() => device.client.setIrqs(none), refused);
        assert.throws(() => device.client.setIrqs(bool), refused);
      }
    }
    order(RAISE, 0, 0n, 0);
    assert.equal(take(eventfd), 1);
    const pending = new Uint8Array(8).fill(0xff);
    device.client.read(0, MSIX_PBA, pending);
    assert.deepEqual([...pending], [0, 0, 0, 0, 0, 0, 0, 0]);
  });

  it("of a level stay masked until the client unmasks them", () => {
    const [eventfd] = listen(VFIO_PCI_INTX_IRQ_INDEX, 0, 1);
    order(RAISE_INTX, 0, 0n, 0);
    order(RAISE_INTX, 0, 0n, 0);
    assert.equal(take(eventfd), 1);
    const flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_UNMASK;
    device.client.setIrqs({ index: VFIO_PCI_INTX_IRQ_INDEX, flags, start: 0, count: 1 });
    assert.equal(take(eventfd), 1, "it was raised again meanwhile");
    device.client.setIrqs({ index: VFIO_PCI_INTX_IRQ_INDEX, flags, start: 0, count: 1 });
    assert.equal(take(eventfd, 0), 0);
  });

  it("of a level are unmasked by an eventfd of the client's, as KVM does it", () => {
    const index = VFIO_PCI_INTX_IRQ_INDEX;
    const flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_UNMASK;
    const resample = linux.eventfd(0, EFD_CLOEXEC);
    undo.push(() => linux.close(resample));
    const bind = (fd: number) => device.client.setIrqs({ index, flags, start: 0, count: 1, eventfds: [fd] });
    assert.throws(() => bind(resample), /EINVAL/, "INTx is not in use");
    const [eventfd] = listen(index, 0, 1);
    bind(resample);
    assert.throws(() => bind(resample), /EBUSY/);
    const signal = () => linux.write(resample, new Uint8Array(new BigUint64Array([1n]).buffer));
    for (let round = 0; round < 3; round += 1) {
      order(RAISE_INTX, 0, 0n, 0);
      assert.equal(take(eventfd), 1);
      order(RAISE_INTX, 0, 0n, 0);
      assert.equal(take(eventfd, 0), 0, "it is masked");
      signal();
      assert.equal(take(eventfd), 1, "it was raised again meanwhile");
      signal();
      // The signal is on its own way; when it has been taken, the next one is told of at once.
      while (linux.poll([{ fd: resample, events: POLLIN, revents: 0 }], 0) === 1) order(NOTHING, 0, 0n, 0);
    }
    bind(-1);
    order(RAISE_INTX, 0, 0n, 0);
    assert.equal(take(eventfd), 1);
    signal();
    order(RAISE_INTX, 0, 0n, 0);
    assert.equal(take(eventfd, 20), 0, "the eventfd unmasks no longer");
  });

  it("are neither masked by eventfds, nor unmasked where they are no level: as the kernel has it", () => {
    const eventfd = linux.eventfd(0, EFD_CLOEXEC);
    undo.push(() => linux.close(eventfd));
    const cases = [
      [VFIO_PCI_INTX_IRQ_INDEX, VFIO_IRQ_SET_ACTION_MASK, "ENOTTY"],
      [VFIO_PCI_MSI_IRQ_INDEX, VFIO_IRQ_SET_ACTION_MASK, "ENOTTY"],
      [VFIO_PCI_MSIX_IRQ_INDEX, VFIO_IRQ_SET_ACTION_UNMASK, "ENOTTY"],
      [VFIO_PCI_MSIX_IRQ_INDEX, VFIO_IRQ_SET_ACTION_UNMASK | VFIO_IRQ_SET_ACTION_MASK, "EINVAL"],
      [VFIO_PCI_MSIX_IRQ_INDEX, 0, "EINVAL"],
    ] as const;
    for (const [index, action, errno] of cases) {
      const flags = VFIO_IRQ_SET_DATA_EVENTFD | action;
      assert.throws(() => device.client.setIrqs({ index, flags, start: 0, count: 1, eventfds: [eventfd] }), {
        code: "ERR_DEVICE",
        message: new RegExp(errno),
      });
    }
  });

  it("are triggered by the client itself, by booleans too", () => {
    const eventfds = listen(VFIO_PCI_MSI_IRQ_INDEX, 0, 4);
    const flags = VFIO_IRQ_SET_DATA_BOOL | VFIO_IRQ_SET_ACTION_TRIGGER;
    device.client.setIrqs({
      index: VFIO_PCI_MSI_IRQ_INDEX,
      flags,
      start: 0,
      count: 4,
      data: Uint8Array.of(0, 1, 0, 1),
    });
    assert.deepEqual(
      eventfds.map((fd) => take(fd, 0)),
      [0, 1, 0, 1],
    );
  });

  it("are told of in several messages, where descriptors are many or some are taken away", () => {
    const eventfds = Array.from({ length: 8 }, (_, at) =>
      at === 3 ? -1 : linux.eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
    );
    const flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
    device.client.setIrqs({ index: VFIO_PCI_MSIX_IRQ_INDEX, flags, start: 0, count: 8, eventfds });
    for (let vector = 0; vector < 8; vector += 1) order(RAISE, vector, 0n, 0);
    assert.deepEqual(
      eventfds.map((fd) => (fd < 0 ? -1 : take(fd, 0))),
      [1, 1, 1, -1, 1, 1, 1, 1],
    );
    const all = { index: VFIO_PCI_MSIX_IRQ_INDEX, start: 0, count: 0 };
    device.client.setIrqs({ ...all, flags: VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER });
    order(RAISE, 0, 0n, 0);
    assert.equal(take(eventfds[0], 0), 0, "all are off");
    for (const fd of eventfds) if (fd >= 0) linux.close(fd);
  });

  it("refuse what is no eventfd, and requests that are none", () => {
    const memfd = linux.memfd_create("no-eventfd", MFD_CLOEXEC);
    undo.push(() => linux.close(memfd));
    const good = { index: VFIO_PCI_MSIX_IRQ_INDEX, start: 0, count: 1 };
    const eventfd = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
    const none = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER;
    const bad = [
      { ...good, flags: eventfd, eventfds: [memfd] },
      { ...good, flags: none, start: 8 },
      { ...good, flags: none, count: 9 },
      { ...good, flags: none, start: 0xffff_ffff, count: 1 },
      { ...good, flags: VFIO_IRQ_SET_DATA_NONE },
      { ...good, flags: VFIO_IRQ_SET_ACTION_TRIGGER },
      { ...good, flags: none | 0x40 },
      { ...good, flags: VFIO_IRQ_SET_DATA_BOOL | VFIO_IRQ_SET_ACTION_TRIGGER, data: new Uint8Array(2) },
      { ...good, flags: none, index: 5 },
      { ...good, flags: none, index: 3, start: 1 },
    ];
    for (const request of bad) {
      assert.throws(
        () => device.client.setIrqs(request),
        { code: "ERR_DEVICE", message: /EINVAL/ },
        JSON.stringify(request),
      );
    }
  });
});
