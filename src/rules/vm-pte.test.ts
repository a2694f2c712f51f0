import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { leafSpans } from "../layout/leaves.ts";
import { pageTableBytes } from "../layout/page-tables.ts";
import { pagingModels } from "../layout/paging.ts";
import { GIB, KIB, MIB } from "../layout/sizes.ts";
import { mostPageTables, provesSmall } from "./vm-pte.ts";

const model = pagingModels["x86-64"];

describe("mostPageTables", () => {
  it("is never less than what mappings in base pages take", () => {
    const vma = fc.record({ gap: fc.nat(1 << 20), pages: fc.integer({ min: 1, max: 1 << 20 }) });
    fc.assert(
      fc.property(
        fc.array(vma, { maxLength: 20 }),
        fc.constantFrom(...Object.values(pagingModels)),
        (vmas, each) => {
          let address = 0x7f0000000000n;
          const laid = vmas.map(({ gap, pages }) => {
            const size = pages * each.pageSize;
            const start = address + BigInt(gap * each.pageSize);
            address = start + BigInt(size);
            const range = { address: start, size, physical: start };
            return { ...range, spans: leafSpans(range, each, { largestLeaf: each.pageSize }) };
          });
          const others = { bytes: laid.reduce((sum, { size }) => sum + size, 0), count: laid.length };
          assert.ok(pageTableBytes(laid, each) <= mostPageTables(others, each));
        },
      ),
    );
  });
});

describe("provesSmall", () => {
  // A machine of 16 GiB with a BAR of 256 GiB.
  const others = { bytes: 18 * GIB, count: 600 };
  const bar = { least: 0, most: (131_072 + 256) * 4 * KIB };

  it("takes no page table for a device's that may be another mapping's", () => {
    const most = mostPageTables(others, model);
    assert.ok(most < 50 * MIB);
    assert.equal(provesSmall(most, others, bar, true, model), false);
    assert.equal(provesSmall(most + 4 * KIB, others, bar, true, model), true);
  });

  it("needs them all where some leaves may be huge and others not", () => {
    const vmPte = mostPageTables(others, model) + bar.most;
    assert.equal(provesSmall(vmPte - 4 * KIB, others, bar, false, model), false);
    assert.equal(provesSmall(vmPte, others, bar, false, model), true);
  });

  it("has nothing to prove of a mapping that has base pages either way", () => {
    assert.equal(provesSmall(2 ** 40, others, { least: 4096, most: 4096 }, true, model), false);
  });
});
