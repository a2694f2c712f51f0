/** Rows of one process that serves ten devices: what they cost while nobody asks, and whether all have their turn. */

import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { Comparison } from "../pairs.ts";
import type { Peer, Peers } from "../peers.ts";
import type { Row } from "../row.ts";

const DEVICES = 10;
const SECONDS = 3;
/** Requests of each client: half a second's worth for all. */
const REQUESTS = 10_000;

/** A server of ten devices, and a client of each that has asked it something; null without a compiler. */
async function startAll(peers: Peers): Promise<{ server: Peer; clients: readonly Peer[] } | null> {
  const sockets = Array.from({ length: DEVICES }, () => peers.socketPath());
  const server = await peers.startOwn("serve-registers", sockets);
  const clients: Peer[] = [];
  for (const socket of sockets) {
    const client = await peers.start("vfio-user-client", [socket, "read", 4]);
    if (client === null) return null;
    await client.sample(1000);
    clients.push(client);
  }
  return { server, clients };
}

/** What all threads of a process have had of the processors, in nanoseconds (Documentation/scheduler/sched-stats.rst). */
function processorTime(pid: number): number {
  return readdirSync(`/proc/${pid}/task`)
    .map((thread) => Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ")[0]))
    .reduce((sum, time) => sum + time, 0);
}

export const idleServer: Row = {
  name: "idle-server",
  what: "processor time a second of an idle server, ten devices with a client each",
  against: "–",
  bar: { kind: "time", most: 1e6 },
  async measure(peers): Promise<Comparison | null> {
    const all = await startAll(peers);
    if (all === null) return null;
    await sleep(1000);
    const before = processorTime(all.server.pid);
    await sleep(SECONDS * 1000);
    const hugebar = (processorTime(all.server.pid) - before) / SECONDS;
    return { hugebar, peer: null, ratio: null, extra: null };
  },
};

/** One that starved would be served when the others are done: 10 × the time of the first. */
export const tenDevices: Row = {
  name: "ten-devices",
  what: "10,000 region reads of each of ten devices at once: the slowest client",
  against: "the fastest",
  bar: { kind: "ratio", most: 2 },
  async measure(peers): Promise<Comparison | null> {
    const all = await startAll(peers);
    if (all === null) return null;
    const times = await Promise.all(all.clients.map(async ({ sample }) => sample(REQUESTS)));
    const [slowest, fastest] = [Math.max(...times), Math.min(...times)];
    return { hugebar: slowest, peer: fastest, ratio: slowest / fastest, extra: slowest - fastest };
  },
};
