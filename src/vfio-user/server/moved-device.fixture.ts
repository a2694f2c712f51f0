/** For tests: a device whose state can be moved, and whose author's functions fail where they are told to. */

import { DeviceError } from "../wire/device-error.ts";
import type { WorkerServeOptions } from "./apart/messages.ts";
import { serveDevice, type DeviceServer } from "./server.ts";

/** Region 0: the device's memory, which is its state. */
export const MEMORY_SIZE = 2 ** 16;
/**
 * Region 1: what was called so far, as words with commas between them and zeros behind. Writing there begins anew: it is the
 * name of the function that fails from then on, one of MigrationDescription's, or "loaded": `load`, when it has all.
 */
export const CALLS_SIZE = 2 ** 12;
const BLOCK = 2 ** 12;
/** What the author's functions answer when they fail. */
export const FAILURE = 71;

export function serve({ socket, data }: WorkerServeOptions): DeviceServer {
  const preCopy = data !== "at rest";
  let fails = "";
  const memory = new Uint8Array(MEMORY_SIZE);
  const calls: string[] = [];
  /** The blocks that were written and not told of since. */
  const dirty = new Set<number>();

  function called(what: string): void {
    calls.push(what);
    if (what === fails) throw new DeviceError(FAILURE);
  }

  /** A block's number, and its bytes. */
  function piece(block: number): Uint8Array {
    const bytes = new Uint8Array(1 + BLOCK);
    bytes[0] = block;
    bytes.set(memory.subarray(block * BLOCK, (block + 1) * BLOCK), 1);
    return bytes;
  }

  function* dirtyBlocks(): Generator<Uint8Array> {
    for (const block of dirty) {
      dirty.delete(block);
      yield piece(block);
    }
  }

  function touch(from: number, to: number): void {
    for (let block = Math.floor(from / BLOCK); block * BLOCK < to; block += 1) dirty.add(block);
  }

  return serveDevice(
    {
      regions: [
        {
          index: 0,
          size: MEMORY_SIZE,
          read: (offset, target) => target.set(memory.subarray(offset, offset + target.length)),
          write(offset, source) {
            memory.set(source, offset);
            touch(offset, offset + source.length);
          },
        },
        {
          index: 1,
          size: CALLS_SIZE,
          read(offset, target) {
            const text = Buffer.from(calls.join().padEnd(CALLS_SIZE, "\0"));
            target.set(text.subarray(offset, offset + target.length));
          },
          write(_, source) {
            fails = Buffer.from(source).toString();
            calls.length = 0;
            memory.fill(0);
          },
        },
      ],
      migration: {
        stop: () => called("stop"),
        start: () => called("start"),
        ...(preCopy && {
          *preCopy() {
            called("preCopy");
            touch(0, MEMORY_SIZE);
            for (;;) {
              yield* dirtyBlocks();
              yield new Uint8Array(0);
            }
          },
        }),
        *save(_, preCopied) {
          called("save");
          if (!preCopied) touch(0, MEMORY_SIZE);
          yield* dirtyBlocks();
        },
        async load(pieces) {
          called("load");
          let got: Uint8Array = new Uint8Array(0);
          for await (const bytes of pieces) {
            got = Buffer.concat([got, bytes]);
            for (; got.length >= 1 + BLOCK; got = got.subarray(1 + BLOCK))
              memory.set(got.subarray(1, 1 + BLOCK), (got[0] ?? 0) * BLOCK);
          }
          if (got.length > 0) throw new DeviceError(FAILURE);
          called("loaded");
        },
      },
      reset() {
        calls.push("reset");
        memory.fill(0);
      },
      disconnected: () => void calls.push("disconnected"),
    },
    { socket, onError: () => {} },
  );
}
