import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { TablesChanged } from "./changed.ts";
import { LeafTally } from "./leaf-tally.ts";
import {
  arm64Entries,
  MEMORY_START,
  SimulatedMemory,
  SimulatedTables,
  x86Entries,
  x86SecondStageEntries,
  type EntryWriter,
} from "./simulated-memory.fixture.ts";
import {
  arm64Format,
  shiftAt,
  x86HostFormat,
  x86SecondStageFormat,
  type TableFormat,
} from "./table-format.ts";
import { walkTables, type LeafRun } from "./walk.ts";

const MIB = 2 ** 20;
const GIB = 2 ** 30;

const formats: readonly (readonly [TableFormat, EntryWriter])[] = [
  [x86HostFormat({ levels: 4 }), x86Entries],
  [x86HostFormat({ levels: 5 }), x86Entries],
  [x86SecondStageFormat({ levels: 4 }), x86SecondStageEntries],
  [x86SecondStageFormat({ levels: 5 }), x86SecondStageEntries],
  [arm64Format({ pageShift: 12, addressBits: 39 }), arm64Entries(12)],
  [arm64Format({ pageShift: 12, addressBits: 48 }), arm64Entries(12)],
  [arm64Format({ pageShift: 14, addressBits: 48 }), arm64Entries(14)],
  [arm64Format({ pageShift: 16, addressBits: 42 }), arm64Entries(16)],
  [arm64Format({ pageShift: 16, addressBits: 48 }), arm64Entries(16)],
  [arm64Format({ pageShift: 16, addressBits: 52 }), arm64Entries(16)],
  // A second stage whose root is sixteen tables side by side.
  [arm64Format({ pageShift: 12, addressBits: 43, levels: 3 }), arm64Entries(12)],
];

/** Every leaf of a walk, one by one. */
function leavesOf(memory: SimulatedMemory, format: TableFormat, root: number, from: bigint, size: number) {
  const leaves: { address: bigint; size: number; physical: number }[] = [];
  const tables = walkTables({
    memory,
    format,
    root,
    from,
    size,
    visit: ({ offset, leaf, count, physical }: LeafRun) => {
      for (let index = 0; index < count; index += 1) {
        const address = from + BigInt(offset + index * leaf);
        leaves.push({ address, size: leaf, physical: physical + index * leaf });
      }
    },
  });
  return { leaves, tables };
}

describe("walkTables", () => {
  for (const [format, entries] of formats) {
    const levels = format.levels;
    it(`tells every leaf that ${format.name} has with ${levels} levels and ${format.addressBits} bits`, () => {
      const largest = Math.min(format.pageShift === 12 ? 3 : 2, levels);
      const leaf = fc.record({
        slot: fc.nat(40),
        level: fc.integer({ min: 1, max: largest }),
        device: fc.nat(200),
        piece: fc.nat(511),
      });
      // In the middle of the addresses, where the root's entries meet.
      const base = 2n ** BigInt(format.addressBits - 1) - 8n * 2n ** BigInt(shiftAt(format, largest));
      fc.assert(
        fc.property(fc.array(leaf, { maxLength: 30 }), fc.nat(40), fc.nat(60), (wanted, first, slots) => {
          const memory = new SimulatedMemory(16 * MIB);
          const tables = new SimulatedTables(memory, format, entries);
          // Slots of the largest leaf's size: each has one leaf of its level somewhere within.
          const slotSize = 2 ** shiftAt(format, largest);
          const expected = new Map<number, { address: bigint; size: number; physical: number }>();
          for (const { slot, level, device, piece } of wanted) {
            if (expected.has(slot)) continue;
            const size = 2 ** shiftAt(format, level);
            const within = (piece * size) % slotSize;
            const address = base + BigInt(slot) * BigInt(slotSize) + BigInt(within);
            const physical = device * slotSize + within;
            if (address + BigInt(size) > 2n ** BigInt(format.addressBits) || physical + size > 2 ** 47)
              continue;
            tables.map(address, level, physical);
            expected.set(slot, { address, size, physical });
          }
          const size = Math.min(
            slots * slotSize,
            Number(2n ** BigInt(format.addressBits) - base) - first * slotSize,
          );
          if (size < 0) return;
          const from = base + BigInt(first) * BigInt(slotSize);
          const inside = [...expected.values()]
            .filter(({ address }) => address >= from && address < from + BigInt(size))
            .sort((a, b) => (a.address < b.address ? -1 : 1));
          assert.deepEqual(leavesOf(memory, format, tables.root, from, size).leaves, inside);
        }),
        { numRuns: 30 },
      );
    });
  }

  const format = x86HostFormat({ levels: 4 });

  function pages(count: number): { memory: SimulatedMemory; tables: SimulatedTables } {
    const memory = new SimulatedMemory(16 * MIB);
    const tables = new SimulatedTables(memory, format, x86Entries);
    for (let index = 0; index < count; index += 1) {
      tables.map(0x7f00_0000_0000n + BigInt(index * 4096), 1, GIB + index * 4096);
    }
    return { memory, tables };
  }

  function walked(memory: SimulatedMemory, root: number, size: number, isPlausible?: () => boolean) {
    const tally = new LeafTally(size);
    const tables = walkTables({
      memory,
      format,
      root,
      from: 0x7f00_0000_0000n,
      size,
      visit: (run) => {
        tally.add(run);
      },
      ...(isPlausible === undefined ? {} : { isPlausible }),
    });
    return tally.result(tables);
  }

  it("reads no table twice but those that lead on, and tells 4,096 pages as one run", () => {
    const { memory, tables } = pages(4096);
    const { leaves, runs, mappedBytes } = walked(memory, tables.root, GIB);
    assert.deepEqual(leaves, [{ size: 4096, count: 4096 }]);
    assert.deepEqual(runs, [{ offset: 0, leaf: 4096, count: 4096, physical: GIB }]);
    assert.equal(mappedBytes, 16 * MIB);
    // Root, PUD and PMD table twice, eight PTE tables once, and at once: they lie side by side.
    assert.equal(memory.reads, 3 * 2 + 1);
  });

  it("reads tables one by one that lie side by side in two files' segments", () => {
    const { memory, tables } = pages(4096);
    const split = {
      readPhysical(physical: number, target: Uint8Array): void {
        if (target.length > 4096) throw new TablesChanged("no segment has all of it");
        memory.readPhysical(physical, target);
      },
    };
    const tally = new LeafTally(GIB);
    const visit = (run: LeafRun): void => tally.add(run);
    walkTables({ memory: split, format, root: tables.root, from: 0x7f00_0000_0000n, size: GIB, visit });
    assert.deepEqual(tally.result(0).leaves, [{ size: 4096, count: 4096 }]);
    assert.equal(memory.reads, 3 * 2 + 8);
  });

  it("clips to what was asked for a leaf that begins before", () => {
    const memory = new SimulatedMemory(MIB);
    const tables = new SimulatedTables(memory, format, x86Entries);
    tables.map(0x7f00_0000_0000n, 3, 4 * GIB);
    const tally = new LeafTally(2 * MIB);
    walkTables({
      memory,
      format,
      root: tables.root,
      from: 0x7f00_2000_0000n,
      size: 2 * MIB,
      visit: (run) => {
        tally.add(run);
      },
    });
    const { leaves, mappedBytes, runs } = tally.result(0);
    assert.deepEqual(leaves, [{ size: GIB, count: 1 }]);
    assert.equal(mappedBytes, 2 * MIB);
    assert.equal(runs?.[0]?.offset, -512 * MIB);
  });

  it("counts on where there are too many runs to keep", () => {
    const memory = new SimulatedMemory(16 * MIB);
    const tables = new SimulatedTables(memory, format, x86Entries);
    for (let index = 0; index < 20_000; index += 2) {
      tables.map(0x7f00_0000_0000n + BigInt(index * 4096), 1, GIB + index * 4096);
    }
    const { leaves, runs } = walked(memory, tables.root, GIB);
    assert.deepEqual(leaves, [{ size: 4096, count: 10_000 }]);
    assert.equal(runs, null);
  });

  it("takes less than 64 MiB for 8,388,608 leaves, none of which goes on where the one before ends", () => {
    const size = 32 * GIB;
    // By where a table lies: the root, one for 512 GiB, 32 for a gigabyte each, and those of pages.
    const [root, gigabytes, blocks, last] = [GIB, GIB + 4096, GIB + 2 * 4096, 2 * GIB];
    const fill = (words: Uint32Array, first: number, step: number): void => {
      for (let index = 0; index < words.length / 2; index += 1)
        words[2 * index] = first + index * step + 0x67;
    };
    const memory = {
      readPhysical(physical: number, target: Uint8Array): void {
        const words = new Uint32Array(target.buffer, target.byteOffset, target.length / 4).fill(0);
        if (physical === root) words[0] = gigabytes + 0x67;
        else if (physical === gigabytes) fill(words.subarray(0, 64), blocks, 4096);
        else if (physical < last) fill(words, last + ((physical - blocks) / 4096) * 512 * 4096, 4096);
        else fill(words, 3 * GIB, 0);
      },
    };
    const before = process.memoryUsage.rss();
    let most = 0;
    const tally = new LeafTally(size);
    const tables = walkTables({
      memory,
      format,
      root,
      from: 0n,
      size,
      visit: (run) => {
        tally.add(run);
      },
      progress: () => {
        most = Math.max(most, process.memoryUsage.rss() - before);
      },
    });
    assert.deepEqual(tally.result(tables), {
      leaves: [{ size: 4096, count: 2 ** 23 }],
      mappedBytes: size,
      runs: null,
      tables: 2 + 32 + 2 ** 14,
    });
    assert.ok(most < 64 * MIB, `${most} bytes`);
  });

  it("notices a table that is given back while it is read", () => {
    const { memory, tables } = pages(512);
    memory.meanwhile = (read) => {
      // Root, PUD and PMD table have been read; the PTE table goes, and its page becomes something else.
      if (read === 3) {
        const pmd = MEMORY_START + 3 * 4096 - 4096;
        for (let at = MEMORY_START; at < MEMORY_START + 16 * 4096; at += 8) {
          if (at >= pmd && at < pmd + 4096) memory.writeEntry(at, 0n);
        }
      }
    };
    assert.throws(() => walked(memory, tables.root, GIB), TablesChanged);
  });

  it("refuses what can be no page table", () => {
    const { memory, tables } = pages(1);
    // The root leads to itself.
    memory.writeEntry(tables.root + 254 * 8, x86Entries.table(tables.root));
    assert.throws(() => walked(memory, tables.root, GIB), TablesChanged);
    // A leaf of 512 GiB, which no processor has.
    memory.writeEntry(tables.root + 254 * 8, x86Entries.leaf(0, 4));
    assert.throws(() => walked(memory, tables.root, GIB), TablesChanged);
    // A table where there is no memory.
    memory.writeEntry(tables.root + 254 * 8, x86Entries.table(4096));
    assert.throws(() => walked(memory, tables.root, GIB), TablesChanged);
    const other = pages(1);
    assert.throws(() => walked(other.memory, other.tables.root, GIB, () => false), TablesChanged);
  });

  it("ends, whatever is in memory", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 4096, maxLength: 4096 }), fc.nat(), (noise, seed) => {
        const { memory, tables } = pages(600);
        memory.bytes.set(noise, (seed % 6) * 4096);
        try {
          const { leaves, mappedBytes } = walked(memory, tables.root, GIB);
          const bytes = leaves.reduce((sum, { size, count }) => sum + size * count, 0);
          assert.ok(mappedBytes <= GIB && bytes >= mappedBytes);
        } catch (error) {
          assert.ok(error instanceof TablesChanged, String(error));
        }
      }),
      { numRuns: 300 },
    );
  });
});
