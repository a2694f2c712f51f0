/**
 * Rows of the socket transport. For the client, hugebar's and a C client use the same C server, the fastest there is; for
 * the server, the same C client uses hugebar's and a C server. A server has one client at a time, so there are two of each.
 */

import { Device } from "../../src/device/device.ts";
import type { Mapping } from "../../src/device/region/mapping.ts";
import { MIB } from "../../src/layout/sizes.ts";
import { linux } from "../../src/system/libc.ts";
import { connectVfioUser } from "../../src/vfio-user/client/client.ts";
import type { Bar } from "../bars.ts";
import { onOneProcessor } from "../one-processor.ts";
import { comparePairs, timed, type Comparison, type Plan, type Side } from "../pairs.ts";
import type { Peers } from "../peers.ts";
import type { Row } from "../row.ts";

/** What the C client is told to do, again and again. */
interface Asked {
  readonly kind: "read" | "write" | "order";
  readonly bytes: number;
}

/** One request and its reply: by hugebar's client, and as the C client is told to do the same. */
interface Operation extends Asked {
  readonly once: (bar: Mapping, index: number) => void;
  readonly plan: Plan;
}

const REGION_SIZE = MIB;
// Pages that were never written are all the one page of zeros, which stays in the nearest cache.
const block = new Uint8Array(REGION_SIZE).fill(0xa5);

const readRegister: Operation = {
  kind: "read",
  bytes: 4,
  once: (bar, index) => void bar.read32((index * 4) % REGION_SIZE),
  plan: { pairs: 301, count: 200 },
};
const writeBlock: Operation = {
  kind: "write",
  bytes: REGION_SIZE,
  once: (bar) => bar.copyIn(0, block),
  plan: { pairs: 201, count: 10 },
};

/** Starts a C server, or hugebar's own where there is no compiler; returns its socket. */
async function startServer(peers: Peers): Promise<string> {
  const socket = peers.socketPath();
  return (await peers.start("vfio-user-server", [socket])) === null ? startOwnServer(peers) : socket;
}

async function startOwnServer(peers: Peers): Promise<string> {
  const socket = peers.socketPath();
  await peers.startOwn("serve-registers", [socket]);
  return socket;
}

/** The C client at a socket; null where there is no compiler. */
async function startClient(peers: Peers, socket: string, { kind, bytes }: Asked): Promise<Side | null> {
  const client = await peers.start("vfio-user-client", [socket, kind, bytes]);
  return client?.sample ?? null;
}

/** Lends hugebar's client at a socket. */
async function withOwnClient(
  socket: string,
  { once }: Operation,
  use: (side: Side) => Promise<Comparison>,
): Promise<Comparison> {
  const device = new Device(connectVfioUser(socket), linux);
  try {
    const bar = device.region(0).map();
    return await use(
      timed((count) => {
        for (let index = 0; index < count; index += 1) once(bar, index);
      }),
    );
  } finally {
    device.close();
  }
}

function clientRow(name: string, what: string, operation: Operation, bar: Bar): Row {
  return {
    name,
    what,
    against: "C client, same C server",
    bar,
    measure: (peers) =>
      onOneProcessor(async () => {
        const peer = await startClient(peers, await startServer(peers), operation);
        return withOwnClient(await startServer(peers), operation, async (side) =>
          comparePairs(side, peer, operation.plan),
        );
      }),
  };
}

function serverRow(name: string, what: string, operation: Operation, bar: Bar): Row {
  return {
    name,
    what,
    against: "C server, same C client",
    bar,
    measure: (peers) =>
      onOneProcessor(async () => {
        const socket = await startOwnServer(peers);
        const side = await startClient(peers, socket, operation);
        const peer = side === null ? null : await startClient(peers, await startServer(peers), operation);
        return side === null
          ? withOwnClient(socket, operation, async (own) => comparePairs(own, null, operation.plan))
          : comparePairs(side, peer, operation.plan);
      }),
  };
}

export const clientRead = clientRow(
  "user-client-read",
  "vfio-user region read, round trip: the client",
  readRegister,
  { kind: "ratio", most: 1.2 },
);
export const clientWrite = clientRow(
  "user-client-write",
  "vfio-user region write of 1 MiB: the client",
  writeBlock,
  { kind: "speed", least: 0.9, bytes: REGION_SIZE },
);
export const serverRead = serverRow(
  "user-server-read",
  "vfio-user region read, round trip: the server",
  readRegister,
  { kind: "ratio", most: 1.4 },
);
export const serverWrite = serverRow(
  "user-server-write",
  "vfio-user region write of 1 MiB: the server",
  writeBlock,
  { kind: "speed", least: 0.9, bytes: REGION_SIZE },
);

/** The file whose block an order has read: it is in memory for both. */
const ORDERED_FILE = process.execPath;

export const orderToInterrupt: Row = {
  name: "user-order",
  what: "vfio-user order to interrupt, a file read between",
  against: "C server with a thread for it, same C client",
  bar: { kind: "ratio", most: 2 },
  async measure(peers) {
    const order = { kind: "order", bytes: 4 } as const;
    const own = peers.socketPath();
    await peers.startOwn("serve-orders", [own, ORDERED_FILE]);
    const side = await startClient(peers, own, order);
    if (side === null) return null;
    const socket = peers.socketPath();
    await peers.start("vfio-user-server", [socket, ORDERED_FILE]);
    return comparePairs(side, await startClient(peers, socket, order), { pairs: 101, count: 100 });
  },
};
