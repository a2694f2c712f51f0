import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { hugebarError } from "../../errors.ts";
import { SharedMemory } from "../../memory/shared-memory.ts";
import type { DmaRange, IoAddressSpace } from "../transport/transport.ts";
import { DmaSpace } from "./dma-space.ts";

const PAGE = 0x1000;

/** An address space that remembers what is mapped, and whose calls can be made to fail. */
class Table implements IoAddressSpace {
  readonly name = "table";
  closed = false;
  failing: "unmap" | "gone" | null = null;
  readonly mapped = new Map<bigint, DmaRange>();

  map(range: DmaRange): void {
    this.mapped.set(range.iova, range);
  }

  unmap(iova: bigint): void {
    if (this.failing === "unmap") throw hugebarError("ERR_SYSTEM", { action: "unmap", problem: "EIO" });
    if (this.failing === "gone") throw hugebarError("ERR_DISCONNECTED", { action: "unmap", problem: "gone" });
    this.mapped.delete(iova);
  }

  logDirty(): never {
    throw hugebarError("ERR_NOT_SUPPORTED", { action: "log", problem: "it is a table" });
  }

  limits() {
    const usable = [
      { first: 0n, last: 0xfedf_ffffn },
      { first: 0xfef0_0000n, last: 2n ** 39n - 1n },
    ];
    return { usable, alignment: PAGE, pageSizes: null, entriesLeft: null };
  }
}

function make(test: TestContext): { table: Table; dma: DmaSpace; memory: SharedMemory } {
  const table = new Table();
  const memory = new SharedMemory(16 * PAGE);
  test.after(() => memory.close());
  return { table, dma: new DmaSpace(table), memory };
}

describe("DmaSpace.map", () => {
  it("takes addresses of 64 bits and no others", (test) => {
    const { table, dma, memory } = make(test);
    const wrong = [
      2n ** 64n,
      2n ** 64n + 0x30_0000n,
      -1n,
      2n ** 64n - BigInt(PAGE),
      0x1000,
      "0x1000",
      undefined,
    ];
    for (const iova of wrong) {
      // @ts-expect-error -- what a caller without types could give
      assert.throws(() => dma.map(memory, iova), { code: "ERR_ARGUMENT" }, String(iova));
    }
    assert.equal(table.mapped.size, 0);
    const last = 2n ** 64n - BigInt(PAGE);
    dma.map(memory, last, { size: PAGE });
    assert.deepEqual([...table.mapped.keys()], [last]);
  });

  it("refuses what overlaps, whoever mapped it, and says where", (test) => {
    const { dma, memory } = make(test);
    const other = dma.another();
    const mapping = dma.map(memory, 0x10_0000n, { size: 2 * PAGE });
    assert.throws(() => other.map(memory, 0x10_1000n, { size: PAGE }), {
      code: "ERR_BUSY",
      message: /something is mapped from 0x100000 to 0x101fff already$/,
    });
    mapping.close();
    mapping.close();
    other.map(memory, 0x10_1000n, { size: PAGE });
  });

  it("unmaps what went through it when it is closed, and nothing else", (test) => {
    const { table, dma, memory } = make(test);
    const [first, second] = [dma.another(), dma.another()];
    first.map(memory, 0x10_0000n);
    second.map(memory, 0x20_0000n);
    const kept = dma.map(memory, 0x30_0000n);
    first.close();
    assert.deepEqual([...table.mapped.keys()], [0x20_0000n, 0x30_0000n]);
    assert.throws(() => first.map(memory, 0x10_0000n), { code: "ERR_CLOSED" });
    kept.close();
    second.close();
    assert.equal(table.mapped.size, 0);
  });

  it("keeps memory that could not be unmapped, and tries again", (test) => {
    const { table, dma, memory } = make(test);
    const mapping = dma.map(memory, 0x10_0000n);
    table.failing = "unmap";
    assert.throws(() => mapping.close(), { code: "ERR_SYSTEM" });
    assert.throws(() => dma.close(), { code: "ERR_CLOSE" });
    assert.equal(dma.taken.length, 1);
    table.failing = null;
    dma.close();
    assert.deepEqual([table.mapped.size, dma.taken.length], [0, 0]);
  });

  it("counts a side that is gone as closed", (test) => {
    const { table, dma, memory } = make(test);
    const mapping = dma.map(memory, 0x10_0000n);
    table.failing = "gone";
    mapping.close();
    dma.map(memory, 0x10_0000n);
    dma.close();
    assert.deepEqual(dma.taken, []);
  });
});

describe("DmaSpace.allocate", () => {
  it("finds an address that is free, usable, aligned and within the device's reach", (test) => {
    const { table, dma } = make(test);
    const queue = dma.allocate(3 * PAGE);
    assert.equal(queue.iova, 0x1_0000n);
    assert.equal(queue.bytes.length, 3 * PAGE);
    queue.bytes[0] = 7;
    assert.equal(queue.memory.bytes(0, 1)[0], 7);
    const next = dma.allocate(100, { alignment: 0x10_0000, highest: 0xffff_ffffn });
    assert.equal(next.iova, 0x10_0000n);
    assert.equal(next.bytes.length, 100);
    assert.equal(table.mapped.get(next.iova)?.size, PAGE);
    queue.close();
    queue.close();
    assert.equal(queue.bytes[0], 0);
    assert.equal(dma.allocate(4 * PAGE).iova, 0x1_0000n);
    assert.throws(() => dma.allocate(2 ** 33, { highest: 0xffff_ffffn }), {
      code: "ERR_SYSTEM",
      message: /no 8589934592 bytes are free up to 0xffffffff$/,
    });
    assert.equal(dma.allocate(2 ** 33).iova, 0xff00_0000n, "behind the reserved window");
    dma.close();
    assert.equal(table.mapped.size, 0);
  });

  it("refuses what is no size, no alignment, no address", (test) => {
    const { dma } = make(test);
    const wrong: (() => unknown)[] = [
      () => dma.allocate(0),
      () => dma.allocate(-1),
      () => dma.allocate(NaN),
      () => dma.allocate(PAGE, { alignment: 3 * PAGE }),
      () => dma.allocate(PAGE, { highest: 2n ** 64n }),
    ];
    for (const call of wrong) assert.throws(call, { code: "ERR_ARGUMENT" }, String(call));
  });
});

describe("DmaSpace.ranges", () => {
  it("is what the address space offers, with what lies between", (test) => {
    const { dma } = make(test);
    assert.deepEqual(dma.ranges.reserved, [{ first: 0xfee0_0000n, last: 0xfeef_ffffn }]);
    assert.equal(dma.ranges.alignment, PAGE);
  });
});
