import assert from "node:assert/strict";
import { constants } from "node:os";
import { setImmediate as nextTurn } from "node:timers/promises";
import { describe, it } from "node:test";
import fc from "fast-check";
import { DeviceError } from "../../wire/device-error.ts";
import { IncomingState } from "./incoming-state.ts";

const notWanted = (error: unknown): boolean =>
  error instanceof DeviceError && error.errno === constants.errno.EINVAL;

describe("state on its way in", () => {
  it("comes to the author as it was sent", async () => {
    const writes = fc.array(fc.uint8Array({ maxLength: 20 }), { maxLength: 10 });
    await fc.assert(
      fc.asyncProperty(writes, fc.boolean(), async (sent, slow) => {
        const found: number[] = [];
        const state = new IncomingState(async (pieces) => {
          for await (const piece of pieces) {
            found.push(...piece);
            if (slow) await nextTurn();
          }
        });
        const message = new Uint8Array(20);
        for (const bytes of sent) {
          // As the server's buffer, which the next message overwrites.
          message.set(bytes);
          await state.write(message.subarray(0, bytes.length));
          message.fill(0xee);
        }
        await state.finish();
        assert.deepEqual(
          found,
          sent.flatMap((bytes) => [...bytes]),
        );
      }),
      { numRuns: 50 },
    );
  });

  it("waits until the author takes it", async () => {
    const ready = Promise.withResolvers<void>();
    const state = new IncomingState(async (pieces) => {
      await ready.promise;
      for await (const _ of pieces) continue;
    });
    let taken = false;
    const write = state.write(Uint8Array.of(1)).then(() => (taken = true));
    await nextTurn();
    assert.equal(taken, false);
    ready.resolve();
    await write;
    await state.finish();
  });

  it("is refused where the author has had enough", async () => {
    const state = new IncomingState(async (pieces) => {
      for await (const _ of pieces) return;
    });
    await state.write(Uint8Array.of(1));
    await assert.rejects(state.write(Uint8Array.of(2)), notWanted);
    await assert.rejects(state.write(Uint8Array.of(3)), notWanted);
    await state.finish();
  });

  it("fails with what the author throws, at the write that finds out and at the end", async () => {
    const state = new IncomingState(async (pieces) => {
      for await (const piece of pieces) if (piece[0] === 2) throw new Error("broken");
    });
    await state.write(Uint8Array.of(1));
    await state.write(Uint8Array.of(2));
    await assert.rejects(state.write(Uint8Array.of(3)), /broken/);
    await assert.rejects(state.finish(), /broken/);
  });

  it("fails at once where the author throws before it looks at anything", async () => {
    const state = new IncomingState(() => {
      throw new Error("never");
    });
    await assert.rejects(state.write(Uint8Array.of(1)), /never/);
    await assert.rejects(state.finish(), /never/);
  });

  it("is not finished before the author is done", async () => {
    const done = Promise.withResolvers<void>();
    const state = new IncomingState(() => done.promise);
    let finished = false;
    const end = state.finish().then(() => (finished = true));
    await nextTurn();
    assert.equal(finished, false);
    done.resolve();
    await end;
  });

  it("ends with an error where it is broken off, for the author and for a write that waits", async () => {
    for (const busy of [false, true]) {
      let seen: unknown = null;
      const gate = Promise.withResolvers<void>();
      const state = new IncomingState(async (pieces) => {
        if (busy) await gate.promise;
        try {
          for await (const _ of pieces) continue;
        } catch (error) {
          seen = error;
          throw error;
        }
      });
      const write = busy ? state.write(Uint8Array.of(1)) : Promise.reject(new Error("gone"));
      const refused = assert.rejects(write, /gone/);
      const broken = state.breakOff(new Error("gone"));
      gate.resolve();
      await broken;
      await refused;
      assert.match(String(seen), /gone/);
    }
  });
});
