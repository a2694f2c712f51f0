/** What the NVMe controller refuses, and that nothing a driver does keeps it from answering the next command. */

import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { openDevice } from "../src/index.ts";
import { diskPattern, DISK_BYTES } from "../test/interop/nvme-disk.ts";
import { serveNvme } from "../test/interop/nvme-server.ts";
import * as nvme from "./nvme-numbers.ts";

const { PAGE, BLOCK, REGISTERS } = nvme;
const [ADMIN, DISK] = [0, 1];
const RING = 16;
/** Pages of the driver's memory: both queues of both pairs, a list, another, and then data. */
const [LIST, OTHER_LIST, DATA, PAGES] = [4, 5, 6, 40];
/** Where no memory is. */
const NOWHERE = 0xdead_0000_0000n;
const ENABLE = 0x0046_0001;

interface Command {
  readonly opcode: number;
  readonly namespace?: number;
  readonly prp1?: bigint;
  readonly prp2?: bigint;
  /** The words from 10 on. */
  readonly words?: readonly number[];
}

/** A driver that says what it likes. */
async function start(t: TestContext) {
  const { socket } = await serveNvme(t, diskPattern());
  const device = openDevice(`vfio-user:${socket}`);
  t.after(() => device.close());
  const bar = device.region(0).map();
  const memory = device.dma.allocate(PAGES * PAGE);
  const view = new DataView(memory.bytes.buffer, memory.bytes.byteOffset);
  const page = (number: number): bigint => memory.iova + BigInt(number * PAGE);
  let positions = [0, 0];

  const ring = (queue: number, tail: number): void => bar.write32(0x1000 + 8 * queue, tail);
  /** Switches it on; pair 0 has its rings in pages 0 and 1. */
  function enable(control = ENABLE, submissions = page(0)): number {
    bar.write32(REGISTERS.CC.offset, 0);
    positions = [0, 0];
    memory.bytes.fill(0, 0, 4 * PAGE);
    bar.write32(REGISTERS.AQA.offset, ((RING - 1) << 16) | (RING - 1));
    bar.writeLoHi64(REGISTERS.ASQ.offset, submissions);
    bar.writeLoHi64(REGISTERS.ACQ.offset, page(1));
    bar.write32(REGISTERS.CC.offset, control);
    return bar.read32(REGISTERS.CSTS.offset);
  }
  function submit(queue: number, { opcode, namespace = 0, prp1 = 0n, prp2 = 0n, words = [] }: Command): void {
    const at = 2 * queue * PAGE + ((positions[queue] ?? 0) % RING) * 64;
    memory.bytes.fill(0, at, at + 64);
    view.setUint32(at, opcode | (0x77 << 16), true);
    view.setUint32(at + 4, namespace, true);
    view.setBigUint64(at + 24, prp1, true);
    view.setBigUint64(at + 32, prp2, true);
    for (const [number, word] of words.entries()) view.setUint32(at + 40 + 4 * number, word, true);
    ring(queue, ((positions[queue] ?? 0) + 1) % RING);
  }
  /** Submits a command and waits for its status. */
  async function ask(queue: number, command: Command): Promise<number> {
    const position = positions[queue] ?? 0;
    const at = (2 * queue + 1) * PAGE + (position % RING) * 16;
    submit(queue, command);
    positions[queue] = position + 1;
    const phase = Math.floor(position / RING) % 2 === 0 ? 1 : 0;
    while ((view.getUint16(at + 14, true) & 1) !== phase) await sleep(1);
    assert.equal(view.getUint16(at + 12, true), 0x77, "the command's own number");
    bar.write32(0x1000 + 8 * queue + 4, positions[queue] % RING);
    return view.getUint16(at + 14, true) >> 1;
  }
  const createCq = (words = [((RING - 1) << 16) | 1, 1], prp1 = page(3)): Command => ({
    opcode: nvme.CREATE_CQ,
    prp1,
    words,
  });
  const createSq = (words = [((RING - 1) << 16) | 1, (1 << 16) | 1], prp1 = page(2)): Command => ({
    opcode: nvme.CREATE_SQ,
    prp1,
    words,
  });
  return { bar, memory, view, page, ring, enable, submit, ask, createCq, createSq };
}

type Driver = Awaited<ReturnType<typeof start>>;

/** Reads blocks into the data's pages. */
function read({ page }: Driver, block: number, blocks: number, more: Partial<Command> = {}): Command {
  const words = [block, 0, blocks - 1];
  return { opcode: nvme.READ, namespace: 1, prp1: page(DATA), prp2: page(DATA + 1), words, ...more };
}

describe("examples/nvme-controller.ts", () => {
  it("makes queues by the book alone", async (t) => {
    const driver = await start(t);
    const { ask, enable, createCq, createSq, page } = driver;
    assert.equal(enable(), nvme.CSTS_READY);
    const size = (RING - 1) << 16;
    const identify = (what: number, namespace: number): Command => {
      return { opcode: nvme.IDENTIFY, namespace, prp1: page(DATA), words: [what] };
    };
    const remove = (opcode: number, id: number): Command => ({ opcode, words: [id] });
    const cases: readonly (readonly [what: string, command: Command, status: number])[] = [
      ["no command", { opcode: 0x7f }, nvme.BAD_OPCODE],
      ["to identify what there is not", identify(9, 0), nvme.BAD_FIELD],
      ["to identify another namespace", identify(0, 2), nvme.BAD_NAMESPACE],
      ["to identify a namespace", identify(0, 1), nvme.DONE],
      ["another feature", { opcode: nvme.SET_FEATURES, words: [1] }, nvme.BAD_FIELD],
      ["how many queues", { opcode: nvme.SET_FEATURES, words: [nvme.NUMBER_OF_QUEUES] }, nvme.DONE],
      ["a queue without its completions", createSq(), nvme.BAD_CQ],
      ["to delete a queue that there is not", remove(nvme.DELETE_SQ, 1), nvme.BAD_QUEUE],
      ["to delete completions that there are not", remove(nvme.DELETE_CQ, 1), nvme.BAD_QUEUE],
      ["the queue of administration", createCq([size, 1]), nvme.BAD_QUEUE],
      ["a queue above the last", createCq([size | 2, 1]), nvme.BAD_QUEUE],
      ["a queue of one entry", createCq([1, 1]), nvme.BAD_SIZE],
      ["a queue too large", createCq([(nvme.ENTRIES << 16) | 1, 1]), nvme.BAD_SIZE],
      ["a queue in pieces", createCq([size | 1, 0]), nvme.BAD_FIELD],
      ["a queue beside a page", createCq([size | 1, 1], page(3) + 4n), nvme.BAD_FIELD],
      ["another vector", createCq([size | 1, (2 << 16) | 3]), nvme.BAD_VECTOR],
      ["completions", createCq(), nvme.DONE],
      ["completions twice", createCq(), nvme.BAD_QUEUE],
      ["a queue", createSq(), nvme.DONE],
      ["a queue twice", createSq(), nvme.BAD_QUEUE],
      ["to delete completions in use", remove(nvme.DELETE_CQ, 1), nvme.IN_USE],
      ["to delete the queue of administration", remove(nvme.DELETE_SQ, 0), nvme.BAD_QUEUE],
      ["to delete a queue", remove(nvme.DELETE_SQ, 1), nvme.DONE],
      ["to delete completions", remove(nvme.DELETE_CQ, 1), nvme.DONE],
      ["completions again", createCq(), nvme.DONE],
    ];
    for (const [what, command, status] of cases) assert.equal(await ask(ADMIN, command), status, what);
  });

  it("reaches no further than the disk and the driver's memory", async (t) => {
    const driver = await start(t);
    const { ask, enable, createCq, createSq, page, view, memory } = driver;
    assert.equal(enable(), nvme.CSTS_READY);
    assert.equal(await ask(ADMIN, createCq()), nvme.DONE);
    assert.equal(await ask(ADMIN, createSq()), nvme.DONE);
    const last = DISK_BYTES / BLOCK - 1;
    // An entry that is a list's last, and leads to itself.
    view.setBigUint64((LIST + 1) * PAGE - 8, page(LIST) + BigInt(PAGE - 8), true);
    const circle = { prp2: page(LIST) + BigInt(PAGE - 8) };
    const cases: readonly (readonly [what: string, command: Command, status: number])[] = [
      ["no command", read(driver, 0, 1, { opcode: 9 }), nvme.BAD_OPCODE],
      ["another namespace", read(driver, 0, 1, { namespace: 2 }), nvme.BAD_NAMESPACE],
      ["the last block", read(driver, last, 1), nvme.DONE],
      ["a block behind the last", read(driver, last, 2), nvme.OUT_OF_RANGE],
      ["the farthest", read(driver, 0, 1, { words: [0xffff_ffff, 0xffff_ffff, 0] }), nvme.OUT_OF_RANGE],
      ["a write behind the last", read(driver, last, 2, { opcode: nvme.WRITE }), nvme.OUT_OF_RANGE],
      ["too much", read(driver, 0, 257), nvme.BAD_FIELD],
      ["into nowhere", read(driver, 0, 1, { prp1: NOWHERE }), nvme.INTERNAL],
      ["out of nowhere", read(driver, 0, 1, { opcode: nvme.WRITE, prp1: NOWHERE }), nvme.INTERNAL],
      ["by a list nowhere", read(driver, 0, 64, { prp2: NOWHERE }), nvme.INTERNAL],
      ["by a list that leads to itself", read(driver, 0, 64, circle), nvme.INTERNAL],
      ["to flush", { opcode: nvme.FLUSH, namespace: 1 }, nvme.DONE],
      ["a page", read(driver, 8, 8), nvme.DONE],
    ];
    for (const [what, command, status] of cases) assert.equal(await ask(DISK, command), status, what);
    const read8 = memory.bytes.subarray(DATA * PAGE, (DATA + 1) * PAGE);
    assert.deepEqual(read8, diskPattern().subarray(PAGE, 2 * PAGE), "what was read last");
  });

  it("follows a list that goes on in another page", async (t) => {
    const driver = await start(t);
    const { ask, enable, createCq, createSq, page, view, memory } = driver;
    enable();
    await ask(ADMIN, createCq());
    await ask(ADMIN, createSq());
    // The first page, two entries at a page's end, of which the second leads on, and 30 in another page.
    view.setBigUint64((LIST + 1) * PAGE - 16, page(DATA + 1), true);
    view.setBigUint64((LIST + 1) * PAGE - 8, page(OTHER_LIST) + 8n, true);
    for (let entry = 0; entry < 30; entry += 1)
      view.setBigUint64(OTHER_LIST * PAGE + 8 + 8 * entry, page(DATA + 2 + entry), true);
    const prp2 = page(LIST) + BigInt(PAGE - 16);
    assert.equal(await ask(DISK, read(driver, 0, 256, { prp2 })), nvme.DONE);
    const pages = memory.bytes.subarray(DATA * PAGE, (DATA + 32) * PAGE);
    assert.deepEqual(pages, diskPattern().subarray(0, 32 * PAGE));
    assert.equal(await ask(DISK, read(driver, 1024, 256, { opcode: nvme.WRITE, prp2 })), nvme.DONE);
    memory.bytes.fill(0, DATA * PAGE);
    assert.equal(await ask(DISK, read(driver, 1024, 256, { prp2 })), nvme.DONE);
    assert.deepEqual(pages, diskPattern().subarray(0, 32 * PAGE), "what was written");
  });

  it("says that it cannot go on where its rings are nowhere, and starts anew", async (t) => {
    const { bar, ask, enable, ring, submit, page } = await start(t);
    const status = (): number => bar.read32(REGISTERS.CSTS.offset);
    assert.equal(enable(0x0001_0001), nvme.CSTS_FATAL, "entries of other sizes");
    assert.equal(enable(ENABLE, page(0) + 8n), nvme.CSTS_FATAL, "a ring beside a page");
    assert.equal(enable(ENABLE, NOWHERE), nvme.CSTS_READY);
    submit(ADMIN, { opcode: nvme.IDENTIFY });
    while (status() !== nvme.CSTS_FATAL) await sleep(1);
    assert.equal(enable(), nvme.CSTS_READY);
    ring(ADMIN, RING);
    ring(DISK, 1);
    const identify = { opcode: nvme.IDENTIFY, prp1: page(DATA), words: [1] };
    // More than once around both rings.
    for (let time = 0; time < 2 * RING + 3; time += 1) assert.equal(await ask(ADMIN, identify), nvme.DONE);
    bar.write32(REGISTERS.CC.offset, ENABLE | (1 << 14));
    while ((status() & nvme.CSTS_SHUT_DOWN) === 0) await sleep(1);
    bar.write32(REGISTERS.CC.offset, 0);
    assert.equal(status(), 0);
  });
});
