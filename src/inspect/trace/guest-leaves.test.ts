import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { guestLeafCounter, type Bar } from "./guest-leaves.ts";

const bars: readonly Bar[] = [
  { device: "0000:01:00.0", region: 2, address: 0x3800_0000_0000n, size: 2 ** 32 },
  { device: "0000:02:00.0", region: 0, address: 0x3900_0000_0000n, size: 2 ** 21 },
];

function line(
  level: number,
  old: bigint,
  now: bigint,
  head = "CPU 0/KVM-311     (    308) [001] .....",
): string {
  const entry = (value: bigint): string => value.toString(16);
  return `           ${head}     9.123456: kvm_tdp_mmu_spte_changed: as id 0 gfn 1000 level ${level} old_spte ${entry(old)} new_spte ${entry(now)}\n`;
}

const leaf = (physical: bigint, level: number): bigint => physical | (level === 1 ? 0x877n : 0x8f7n);

describe("guestLeafCounter", () => {
  it("counts leaves over BARs by process, region and size, and nothing else", () => {
    const counter = guestLeafCounter(bars, () => 77);
    counter.take(line(3, 0n, leaf(0x3800_0000_0000n, 3)));
    counter.take(line(3, 0x5a0n, leaf(0x3800_4000_0000n, 3)));
    counter.take(line(1, 0n, leaf(0x3900_0000_1000n, 1)));
    // A thread whose process is not known.
    counter.take(line(2, 0n, leaf(0x3800_8000_0000n, 2), "x) [1] -5 (-------) [000] ....."));
    // Memory, a table, a frozen entry, a leaf with other rights, and one that is taken away.
    counter.take(line(2, 0n, leaf(0x1_0000_0000n, 2)));
    counter.take(line(2, 0n, 0x3800_0000_0807n));
    counter.take(line(2, 0n, 0x5a0n));
    counter.take(line(3, leaf(0x3800_0000_0000n, 3) & ~2n, leaf(0x3800_0000_0000n, 3)));
    counter.take(line(3, leaf(0x3800_0000_0000n, 3), 0n));
    assert.deepEqual(counter.counts(), [
      { pid: 77, device: "0000:01:00.0", region: 2, size: 2 ** 21, laid: 1 },
      { pid: 308, device: "0000:01:00.0", region: 2, size: 2 ** 30, laid: 2 },
      { pid: 308, device: "0000:02:00.0", region: 0, size: 4096, laid: 1 },
    ]);
  });

  it("takes text in pieces of any length, and any text", () => {
    const text = line(3, 0n, leaf(0x3800_0000_0000n, 3)).repeat(3);
    fc.assert(
      fc.property(fc.array(fc.nat(text.length)), fc.string(), (cuts, noise) => {
        const counter = guestLeafCounter(bars, () => 0);
        counter.take(`${noise.replaceAll("\n", "")}\n`);
        let from = 0;
        for (const cut of [...cuts, text.length].sort((a, b) => a - b)) {
          counter.take(text.slice(from, cut));
          from = cut;
        }
        assert.deepEqual(
          counter.counts().map(({ laid }) => laid),
          [3],
        );
      }),
    );
  });

  it("says how many kinds it did not keep", () => {
    const counter = guestLeafCounter(bars, () => 0, 1);
    counter.take(line(3, 0n, leaf(0x3800_0000_0000n, 3)));
    counter.take(line(2, 0n, leaf(0x3800_4000_0000n, 2)));
    assert.deepEqual([counter.counts().length, counter.uncounted], [1, 1]);
  });
});
