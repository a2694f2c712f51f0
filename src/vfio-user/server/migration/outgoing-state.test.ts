import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { HugebarError } from "../../../errors.ts";
import { OutgoingState } from "./outgoing-state.ts";

async function read(state: OutgoingState, size: number): Promise<number[]> {
  const target = new Uint8Array(size);
  return [...target.subarray(0, await state.read(target))];
}

const byte = fc.integer({ min: 0, max: 255 });
const pieces = fc.array(fc.uint8Array({ minLength: 1, maxLength: 20 }), { maxLength: 10 });

describe("state on its way out", () => {
  it("is the author's pieces as one stream, however it is read, over both of its parts", async () => {
    await fc.assert(
      fc.asyncProperty(pieces, pieces, fc.infiniteStream(byte), async (first, second, sizes) => {
        const state = new OutgoingState(() => first);
        const found: number[] = [];
        const drain = async (): Promise<void> => {
          for (;;) {
            const size = 1 + ((sizes.next().value ?? 0) % 30);
            const some = await read(state, size);
            found.push(...some);
            if (some.length < size) return;
          }
        };
        await drain();
        await state.leave();
        // As a device does it that has to await what it tells.
        state.continueWith(async function* () {
          for (const piece of second) yield await Promise.resolve(piece);
        });
        await drain();
        assert.deepEqual(found, Array.from(Buffer.concat(first.concat(second))));
      }),
    );
  });

  it("goes on with what is left of a piece when its second part begins before that was read", async () => {
    const state = new OutgoingState(() => [Uint8Array.of(1, 2, 3), Uint8Array.of(4)]);
    assert.deepEqual(await read(state, 2), [1, 2]);
    await state.leave();
    state.continueWith(() => [Uint8Array.of(5)]);
    assert.deepEqual(await read(state, 9), [3, 5]);
  });

  it("is what a piece was when it was given", async () => {
    const memory = Uint8Array.of(1, 2, 3);
    const state = new OutgoingState(() => [memory]);
    assert.deepEqual(await read(state, 1), [1]);
    memory.fill(9);
    assert.deepEqual(await read(state, 5), [2, 3]);
  });

  it("ends a read at an empty piece, and goes on behind it", async () => {
    const state = new OutgoingState(() => [Uint8Array.of(1), new Uint8Array(0), Uint8Array.of(2)]);
    assert.deepEqual(await read(state, 5), [1]);
    assert.deepEqual(await read(state, 5), [2]);
    assert.deepEqual(await read(state, 5), []);
  });

  it("lets the author clean up when nobody reads any more", async () => {
    let cleaned = 0;
    const state = new OutgoingState(function* () {
      try {
        yield Uint8Array.of(1);
        yield Uint8Array.of(2);
      } finally {
        cleaned += 1;
      }
    });
    await read(state, 1);
    await state.leave();
    await state.leave();
    assert.equal(cleaned, 1);
    assert.deepEqual(await read(state, 1), []);
  });

  it("does not wait for an author who never comes up with a piece", async () => {
    const state = new OutgoingState(async function* () {
      await new Promise<never>(() => {});
      yield Uint8Array.of(1);
    });
    void read(state, 1);
    await state.leave();
  });

  it("fails again where it failed once", async () => {
    const state = new OutgoingState(function* () {
      yield Uint8Array.of(1);
      throw new Error("no more");
    });
    assert.deepEqual(await read(state, 1), [1]);
    for (let time = 0; time < 2; time += 1) await assert.rejects(read(state, 1), /no more/);
  });

  it("fails where a piece is none", async () => {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what an author without types can yield
    const wrong = ["text"] as unknown as Uint8Array[];
    await assert.rejects(read(new OutgoingState(() => wrong), 1), (error) => {
      assert.ok(error instanceof HugebarError);
      return error.code === "ERR_ARGUMENT";
    });
  });
});
