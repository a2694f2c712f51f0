/**
 * The client of the soak test: `node client.ts SOCKET requests|rounds|loans|transfers COUNT` does so much, a fifth of it beforehand to
 * warm up, and prints what both ends held before and after, as JSON.
 */

import assert from "node:assert/strict";
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import { openDevice, SharedMemory, waitingMemory } from "../../src/index.ts";
import { AT, MEMORY, ORDER, REGISTERS, TRANSFER, USAGE, USAGE_SIZE } from "./regions.ts";
import { usage, type BothEnds, type Usage } from "./usage.ts";

const [, , socket = "", what = "", count = ""] = process.argv;
const name = `vfio-user:${socket}`;
const kinds: Record<string, (name: string, count: number) => void | Promise<void>> = {
  requests: makeRequests,
  rounds: makeRounds,
  loans: makeLoans,
  transfers: makeTransfers,
};
const work = async (times: number): Promise<void> => {
  await kinds[what]?.(name, times);
  // What has been closed last is given back in the event loop, a worker's thread included.
  await sleep(500);
  // And foreign memory once the collector has said of every buffer over it that it is gone.
  while (waitingMemory().ranges > 0) {
    usage();
    await sleep(20);
  }
};
await work(Number(count) / 5);
const before = bothEnds(name);
await work(Number(count));
process.stdout.write(JSON.stringify({ before, after: bothEnds(name) }));

/** Reads and writes of registers, one message each. */
function makeRequests(name: string, count: number): void {
  const device = openDevice(name);
  const region = device.region(REGISTERS);
  const registers = region.map();
  const block = new Uint8Array(64);
  for (let done = 0; done < count; done += 4) {
    registers.write32(8, done);
    assert.equal(registers.read32(8), done);
    region.write(0x40, block);
    region.read(0x40, block);
  }
  device.close();
}

/** Connects, maps, and closes it all again. */
async function makeRounds(name: string, count: number): Promise<void> {
  for (let round = 0; round < count; round += 1) {
    const device = openDevice(name);
    const mapping = device.region(MEMORY).map();
    mapping.write32(2 ** 29, round);
    const view = mapping.view(2 ** 29, 0x1000);
    assert.equal(new Uint32Array(view)[0], round);
    mapping.close();
    device.close();
    // What stands for foreign memory is given back in the event loop.
    if (round % 100 === 0) await nextTurn();
  }
}

/** Connects, lends memory, listens to an interrupt, and takes it all back. */
async function makeLoans(name: string, count: number): Promise<void> {
  for (let round = 0; round < count; round += 1) {
    const device = openDevice(name);
    const memory = new SharedMemory(2 ** 16);
    const [first, second] = [device.dma.map(memory, 0n), device.dma.map(memory, 0x1_0000n)];
    const interrupts = device.interrupts("intx");
    const listener = interrupts.listen([0], () => {});
    interrupts.trigger(0);
    // Half of the rounds leave it to the device's end.
    if (round % 2 === 0) {
      listener.close();
      second.close();
      first.close();
    }
    device.close();
    memory.close();
    // What a WeakRef is made for, as of each device, lives until the turn ends. More turns than needed would cost: each ends a
    // worker that waits for interrupts, and koffi keeps 3 MiB of address space of it.
    if (round % 100 === 0) await nextTurn();
  }
}

/** Maps memory for DMA, has the device read and write it, and unmaps it. */
async function makeTransfers(name: string, count: number): Promise<void> {
  const device = openDevice(name);
  const registers = device.region(REGISTERS).map();
  const memory = new SharedMemory(TRANSFER);
  const bytes = memory.bytes(0, TRANSFER);
  for (let round = 0; round < count; round += 1) {
    const lent = device.dma.map(memory, AT);
    const before = bytes[round % TRANSFER] ?? 0;
    registers.write32(ORDER, round);
    assert.equal(bytes[round % TRANSFER], (before + 1) % 256);
    lent.close();
    if (round % 1000 === 0) await nextTurn();
  }
  device.close();
  memory.close();
}

function bothEnds(name: string): BothEnds {
  const device = openDevice(name);
  const answer = new Uint8Array(USAGE_SIZE);
  device.region(REGISTERS).read(USAGE, answer);
  device.close();
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- our own device wrote it
  return { client: usage(), server: JSON.parse(Buffer.from(answer).toString()) as Usage };
}
