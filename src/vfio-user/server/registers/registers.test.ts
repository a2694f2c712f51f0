import assert from "node:assert/strict";
import { constants } from "node:os";
import { describe, it } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import fc from "fast-check";
import { idleClient } from "../parts/idle-client.fixture.ts";
import type { RegisterDescription, RegisterMap } from "./register-map.ts";
import { defineRegisters } from "./registers.ts";

const client = idleClient();
const EINVAL = { errno: constants.errno.EINVAL };

function read(registers: ReturnType<typeof defineRegisters>, offset: number, length: number): number[] {
  const target = new Uint8Array(length).fill(0xaa);
  assert.equal(registers.read(offset, target, client), undefined);
  return [...target];
}

function write(registers: ReturnType<typeof defineRegisters>, offset: number, ...bytes: number[]): void {
  assert.equal(registers.write(offset, Uint8Array.from(bytes), client), undefined);
}

/** One byte of a register, bit by bit, as slow and plain as can be. */
class ModelBit {
  readonly initial: boolean;
  readonly writable: boolean;
  readonly clearedByOne: boolean;
  readonly clearedByRead: boolean;
  value: boolean;

  constructor(initial: boolean, writable: boolean, clearedByOne: boolean, clearedByRead: boolean) {
    this.initial = initial;
    this.writable = writable;
    this.clearedByOne = clearedByOne;
    this.clearedByRead = clearedByRead;
    this.value = initial;
  }

  write(one: boolean): void {
    if (this.clearedByOne) this.value = this.value && !one;
    else if (this.writable) this.value = one;
  }

  read(): boolean {
    const { value } = this;
    if (this.clearedByRead) this.value = false;
    return value;
  }
}

class Model {
  readonly #bits = new Map<number, ModelBit>();

  constructor(map: RegisterMap) {
    for (const { offset, width, count = 1, stride = width, ...rest } of Object.values(map)) {
      const bit = (value: number | bigint, at: number): boolean =>
        ((BigInt(value) >> BigInt(at)) & 1n) === 1n;
      const { reset = 0, writable = 2n ** 64n - 1n, clearedByOne = 0, clearedByRead = 0 } = rest;
      for (let index = 0; index < count; index += 1) {
        for (let at = 0; at < 8 * width; at += 1) {
          const made = new ModelBit(
            bit(reset, at),
            bit(writable, at),
            bit(clearedByOne, at),
            bit(clearedByRead, at),
          );
          this.#bits.set(8 * (offset + index * stride) + at, made);
        }
      }
    }
  }

  write(offset: number, bytes: Uint8Array): void {
    for (let at = 0; at < 8 * bytes.length; at += 1)
      this.#bits.get(8 * offset + at)?.write((((bytes[at >> 3] ?? 0) >> (at & 7)) & 1) === 1);
  }

  read(offset: number, length: number): number[] {
    return Array.from({ length }, (_, byte) =>
      Array.from({ length: 8 }, (_bit, at) =>
        this.#bits.get(8 * (offset + byte) + at)?.read() === true ? 1 << at : 0,
      ).reduce((sum, one) => sum + one, 0),
    );
  }

  reset(): void {
    for (const bit of this.#bits.values()) bit.value = bit.initial;
  }
}

const register = fc
  .record({
    width: fc.constantFrom(1, 2, 4, 8),
    count: fc.integer({ min: 1, max: 4 }),
    gap: fc.integer({ min: 0, max: 5 }),
    between: fc.integer({ min: 0, max: 3 }),
    values: fc.array(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), { minLength: 4, maxLength: 4 }),
  })
  .map(({ width, count, gap, between, values }) => {
    const [reset, writable, clearedByOne, clearedByRead] = values.map((value) =>
      width === 8 ? value : Number(BigInt.asUintN(8 * width, value)),
    );
    return {
      gap,
      masks: { width, count, stride: width + between, reset, writable, clearedByOne, clearedByRead },
    };
  });

/** Registers one behind the other, with gaps. */
const registerMap = fc.array(register, { minLength: 1, maxLength: 6 }).map((parts) => {
  const map: Record<string, RegisterDescription> = {};
  let offset = 0;
  for (const [number, { gap, masks }] of parts.entries()) {
    offset += gap;
    // What was drawn for 8 bytes are bigints, else numbers: the type cannot tell.
    const description: unknown = { offset, ...masks };
    if (isDescription(description)) map[`register ${number}`] = description;
    offset += masks.count * masks.stride;
  }
  return map;
});

function isDescription(value: unknown): value is RegisterDescription {
  return typeof value === "object";
}

const step = fc.oneof(
  fc.record({
    do: fc.constant("read" as const),
    offset: fc.nat(150),
    length: fc.integer({ min: 1, max: 24 }),
  }),
  fc.record({
    do: fc.constant("write" as const),
    offset: fc.nat(150),
    bytes: fc.uint8Array({ minLength: 1, maxLength: 24 }),
  }),
  fc.record({ do: fc.constant("reset" as const) }),
);

describe("registers", () => {
  it("are as bits that are written, cleared by a 1 and cleared by reads, whatever the accesses", () => {
    fc.assert(
      fc.property(registerMap, fc.array(step, { maxLength: 30 }), (map, steps) => {
        const [registers, model] = [defineRegisters(map), new Model(map)];
        for (const one of steps) {
          if (one.do === "reset") {
            registers.reset();
            model.reset();
          } else if (one.do === "write") {
            void registers.write(one.offset, one.bytes, client);
            model.write(one.offset, one.bytes);
          } else {
            assert.deepEqual(read(registers, one.offset, one.length), model.read(one.offset, one.length));
          }
        }
        for (const [name, { offset, width, count = 1, stride = width }] of Object.entries(map)) {
          for (let index = 0; index < count; index += 1) {
            const value = BigInt(registers.get(name, index));
            const bytes = model.read(offset + index * stride, width);
            assert.equal(
              value,
              bytes.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n),
            );
          }
        }
      }),
    );
  });

  it("call whose registers are written, with what stood there before and in place of what was not written", () => {
    const registers = defineRegisters({
      control: { offset: 0, width: 4, reset: 0x0102_0304, writable: 0xff },
      status: { offset: 4, width: 4, reset: 0xf0, writable: 0, clearedByOne: 0xff },
      wide: { offset: 8, width: 8, reset: 5n },
      doorbells: { offset: 0x20, width: 2, count: 3, stride: 4 },
      between: { offset: 0x22, width: 1, count: 3, stride: 4 },
    });
    const seen: unknown[] = [];
    for (const name of ["control", "status", "wide", "doorbells"] as const)
      registers.onWrite(
        name,
        (value, { previous, index }) =>
          void seen.push([name, index, value, previous, registers.get(name, index)]),
      );
    write(registers, 0, 0xaa, 0xbb, 0xcc, 0xdd);
    write(registers, 1, 0x55);
    write(registers, 4, 0x30);
    write(registers, 6, 1, 1, 0xff);
    write(registers, 0x26, 9, 9, 7);
    write(registers, 0x22, 1);
    assert.deepEqual(seen, [
      ["control", 0, 0xddcc_bbaa, 0x0102_0304, 0x0102_03aa],
      ["control", 0, 0x0102_55aa, 0x0102_03aa, 0x0102_03aa],
      ["status", 0, 0x30, 0xf0, 0xc0],
      ["status", 0, 0x0101_0000, 0xc0, 0xc0],
      ["wide", 0, 0xffn, 5n, 0xffn],
      ["doorbells", 2, 7, 0, 7],
    ]);
    assert.deepEqual(read(registers, 0x20, 12), [0, 0, 1, 0, 0, 0, 9, 0, 7, 0, 0, 0]);
  });

  it("read what a handler says, or what stands there, and are cleared then", () => {
    const registers = defineRegisters({
      time: { offset: 0, width: 8 },
      events: { offset: 8, width: 2, reset: 0xffff, clearedByRead: 0x0f0f },
    });
    registers.onRead("time", (value) => (value === 0n ? 0x0102_0304_0506_0708n : undefined));
    assert.deepEqual(read(registers, 0, 8), [8, 7, 6, 5, 4, 3, 2, 1]);
    assert.deepEqual(read(registers, 4, 2), [4, 3]);
    registers.set("time", 1n);
    assert.deepEqual(read(registers, 0, 2), [1, 0]);
    assert.deepEqual(read(registers, 9, 1), [0xff]);
    assert.equal(registers.get("events"), 0xf0ff, "the byte that was not read stays");
  });

  it("do one register after the other where handlers are asynchronous, and none where one fails", async () => {
    const registers = defineRegisters({ all: { offset: 0, width: 1, count: 4, reset: 1 } });
    const order: number[] = [];
    registers.onWrite("all", async (value, { index }) => {
      await turn();
      order.push(index);
      if (value === 9) throw new TypeError("mine");
    });
    registers.onRead("all", async (value, { index }) => {
      await turn();
      return value + index;
    });
    await registers.write(0, Uint8Array.of(5, 6, 7), client);
    assert.deepEqual(order.splice(0), [0, 1, 2]);
    await assert.rejects(async () => registers.write(1, Uint8Array.of(9, 8), client), TypeError);
    assert.deepEqual(order, [1]);
    const target = new Uint8Array(4);
    await registers.read(0, target, client);
    assert.deepEqual([...target], [5, 10, 9, 4]);
  });

  it("refuse accesses of other widths where they are to be exact, before anything happens", () => {
    const registers = defineRegisters({
      exact: { offset: 0, width: 4, accesses: "exact" },
      any: { offset: 4, width: 4 },
    });
    registers.onWrite("any", () => assert.fail("it was written"));
    for (const [offset, length] of [
      [0, 2],
      [2, 4],
      [0, 8],
    ] as const) {
      assert.throws(() => void registers.write(offset, new Uint8Array(length), client), EINVAL);
      assert.throws(() => void registers.read(offset, new Uint8Array(length), client), EINVAL);
    }
    write(registers, 0, 1, 2, 3, 4);
    assert.deepEqual(read(registers, 0, 4), [1, 2, 3, 4]);
    const all = defineRegisters({ one: { offset: 4, width: 4 } }, { accesses: "exact" });
    assert.throws(() => void all.read(0, new Uint8Array(4), client), EINVAL, "a hole");
    assert.deepEqual(read(all, 4, 4), [0, 0, 0, 0]);
  });

  it("have their first values after a reset, but those that survive it", () => {
    const registers = defineRegisters({
      volatile: { offset: 0, width: 4, reset: 7 },
      sticky: { offset: 4, width: 4, reset: 7, survives: ["function"] },
    });
    const dirty = (): void => {
      registers.set("volatile", 1);
      registers.set("sticky", 1);
    };
    for (const [kind, sticky] of [
      ["function", 1],
      ["device", 7],
      ["client-lost", 7],
      [undefined, 7],
    ] as const) {
      dirty();
      registers.reset(kind);
      assert.deepEqual([registers.get("volatile"), registers.get("sticky")], [7, sticky]);
    }
  });

  it("refuse descriptions and values that make no sense", () => {
    const one = { offset: 0, width: 4 } as const;
    const wrong: RegisterMap[] = [
      { one, other: { offset: 3, width: 1 } },
      { one: { ...one, count: 2, stride: 3 } },
      { one: { ...one, reset: 2 ** 32 } },
      { one: { ...one, writable: -1 } },
      { one: { ...one, count: 0 } },
      { one: { ...one, count: 2 ** 20 } },
      { one: { offset: -1, width: 1 } },
      { one: { offset: Number.MAX_SAFE_INTEGER, width: 1, count: 2 } },
      { one: { offset: 0, width: 8, reset: 2n ** 64n } },
    ];
    for (const map of wrong) assert.throws(() => defineRegisters(map), { code: "ERR_ARGUMENT" });
    const registers = defineRegisters({ one, wide: { offset: 8, width: 8 } });
    for (const value of [-1, 2 ** 32, 0.5, NaN])
      assert.throws(() => registers.set("one", value), { code: "ERR_ARGUMENT" });
    assert.throws(() => registers.set("wide", -1n), { code: "ERR_ARGUMENT" });
    assert.throws(() => registers.get("one", 1), { code: "ERR_ARGUMENT" });
    registers.onRead("one", () => 2 ** 32);
    assert.throws(() => void registers.read(0, new Uint8Array(4), client), { code: "ERR_ARGUMENT" });
  });
});
