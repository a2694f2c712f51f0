/** Wrong values from a device's author, in what handlers are given. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HugebarError } from "../../errors.ts";
import { SharedMemory } from "../../memory/shared-memory.ts";
import { F_DUPFD_CLOEXEC } from "../../system/constants.ts";
import { linux } from "../../system/libc.ts";
import { method, show, tryAll, tryFields, WRONG } from "../../wrong-values.fixture.ts";
import { ClientMemory } from "./dma/client-memory.ts";
import { Dma } from "./dma/dma.ts";
import { idleClient } from "./parts/idle-client.fixture.ts";

const SIZE = 0x4000;

describe("wrong values in a handler", () => {
  it("of DMA and of what it lends", async () => {
    const faults: string[] = [];
    const shared = new SharedMemory(SIZE);
    const memory = new ClientMemory(() => assert.fail("a lease was taken back by force"));
    const dma = new Dma(memory, () => Promise.reject(new Error("nobody is asked")));
    const fd = linux.fcntl(shared.fd, F_DUPFD_CLOEXEC, 0);
    memory.map({ iova: 0n, size: BigInt(SIZE), offset: 0n, readable: true, writable: true }, fd);
    const release = (lease: unknown): void => {
      if (typeof lease === "object" && lease !== null) method(lease, "release")();
    };
    const view = (...values: unknown[]): void => release(method(dma, "view")(...values));
    tryAll(faults, "view", [0n, 16, {}], view);
    tryFields(faults, "view", { marksDirty: true }, (wrong) => view(0n, 16, wrong));
    const lease = dma.view(0n, 16, { marksDirty: true });
    tryAll(faults, "markDirty", [0, 4], method(lease, "markDirty"));
    for (const [offset, length] of [
      [17, 0],
      [0, 17],
      [8, 9],
      [NaN, 1],
    ]) {
      assert.throws(() => lease.markDirty(offset, length), { code: "ERR_ARGUMENT" });
    }
    lease.release();
    for (const name of ["read", "write"]) {
      const call = method(dma, name);
      for (const wrong of WRONG) {
        for (const values of [
          [wrong, new Uint8Array(4)],
          [0n, wrong],
        ]) {
          try {
            await call(...values);
          } catch (error) {
            if (!(error instanceof HugebarError)) faults.push(`${name} ${show(wrong)}: ${String(error)}`);
          }
        }
      }
    }
    assert.equal(memory.unmap(0n, BigInt(SIZE)), null);
    shared.close();
    assert.deepEqual(faults, []);
  });

  it("of interrupts and of work", () => {
    const faults: string[] = [];
    const client = idleClient();
    tryAll(faults, "irq", ["msix", 0], method(client, "irq"));
    tryAll(faults, "run", [() => {}], method(client, "run"));
    assert.deepEqual(faults, []);
  });
});
