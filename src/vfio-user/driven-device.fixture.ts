/** For tests: the device of `dma-device.fixture.ts`, served, and a client that drives it. */

import { after, afterEach, beforeEach } from "node:test";
import type { Transport } from "../device/transport/transport.ts";
import { VFIO_IRQ_SET_ACTION_TRIGGER, VFIO_IRQ_SET_DATA_EVENTFD } from "../device/transport/vfio-abi.ts";
import { EFD_CLOEXEC, EFD_NONBLOCK, POLLIN } from "../system/constants.ts";
import { linux } from "../system/libc.ts";
import { connectVfioUser } from "./client/client.ts";
import { encodeOrder } from "./server/dma-device.fixture.ts";
import { servedSocket } from "./server/served-socket.fixture.ts";

export interface DrivenDevice {
  /** One for all tests of the file. */
  readonly client: Transport;
  /** Gives the device's engine an order, and waits until it is carried out. */
  readonly order: (what: number, vector: number, iova: bigint, length: number) => void;
  /** Eventfds for interrupts `start` on, until the end of the test; `take` awaits and counts their signals. */
  readonly listen: (index: number, start: number, count: number) => number[];
  /** Done after each test, last first. */
  readonly undo: (() => void)[];
}

export function drivenDevice(): DrivenDevice {
  let connected: Transport | null = null;
  after(() => connected?.close());
  const socket = servedSocket("dma-device.fixture.ts");
  beforeEach(() => {
    connected ??= connectVfioUser(socket);
  });

  const undo: (() => void)[] = [];
  afterEach(() => {
    for (const step of undo.splice(0).reverse()) step();
  });

  const client = (): Transport => {
    if (connected === null) throw new Error("the client connects when the first test begins");
    return connected;
  };
  return {
    get client() {
      return client();
    },
    order: (what, vector, iova, length) => client().write(0, 0, encodeOrder(what, vector, iova, length)),
    listen(index, start, count) {
      const eventfds = Array.from({ length: count }, () => linux.eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
      const flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
      client().setIrqs({ index, flags, start, count, eventfds });
      undo.push(() => {
        client().setIrqs({ index, flags, start, count, eventfds: eventfds.map(() => -1) });
        for (const fd of eventfds) linux.close(fd);
      });
      return eventfds;
    },
    undo,
  };
}

/** How often the eventfd was signalled; waits for the first signal. */
export function take(eventfd: number | undefined, milliseconds = 2000): number {
  if (eventfd === undefined) return 0;
  if (linux.poll([{ fd: eventfd, events: POLLIN, revents: 0 }], milliseconds) === 0) return 0;
  const counter = new BigUint64Array(1);
  linux.read(eventfd, new Uint8Array(counter.buffer));
  return Number(counter[0]);
}
