import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { pagingModels } from "../layout/paging.ts";
import { predictLayout } from "../layout/prediction.ts";
import { demoText, type DemoMapping } from "./demo-report.ts";

const GIB = 2 ** 30;
const AREA = { offset: 0, size: 0x2f00f00000 };
const DEMO = {
  kernel: "6.18.0",
  region: { index: 2, size: 0x4000000000, areas: [AREA] },
  measuredBytes: 64 * 2 ** 20,
};
const LAYOUT = { width: 100, fit: false, colour: false };

function mapped(
  strategy: DemoMapping["strategy"],
  address: bigint,
  alignment: number,
  alignmentReached: number,
): DemoMapping {
  const { size } = AREA;
  const prediction = predictLayout([{ address, size, physical: 0n }], pagingModels["x86-64"], "open");
  const end = (address + BigInt(size)).toString(16);
  return {
    strategy,
    address,
    alignment,
    alignmentReached,
    vma: `${address.toString(16)}-${end} rw-s 00000000 00:01 7   /memfd:hugebar-device (deleted)`,
    layout: { ...prediction, model: "x86-64", gate: "open", evidence: "rule" },
    measurement: {
      measuredBy: "addresses",
      faults: { predicted: 32, measured: 33 },
      pageTableBytes: { predicted: 4096, measured: 8192 },
    },
  };
}

const none = mapped("none", 0x7f0000100000n, 4096, 0x100000);
const area = mapped("area", 0x7f0000200000n, 0x100000, 0x200000);
const region = mapped("region", 0x7f0040000000n, GIB, GIB);

describe("demoText", () => {
  it("compares the mappings, and says who was lucky", () => {
    const text = demoText({ ...DEMO, mappings: [none, area, region], hindrance: null }, LAYOUT);
    assert.deepEqual(text.split("\n").slice(4, 8), [
      "STRATEGY  VMA IN /proc/self/maps          PROMISED  REACHED  × 1 GiB  × 2 MiB     × 4 KiB      FAULTS  PAGE TABLES",
      "none      7f0000100000-7f2f01000000 rw-s     4 KiB    1 MiB        -        -  49,286,912  49,286,912    376.8 MiB",
      "area      7f0000200000-7f2f01100000 rw-s     1 MiB    2 MiB        -   96,263         256      96,519      760 KiB",
      "region    7f0040000000-7f2f40f00000 rw-s     1 GiB    1 GiB      188        7         256         451        8 KiB",
    ]);
    assert.match(text, /^region +32 +33 +4 KiB +8 KiB$/m);
    assert.match(
      text,
      /^Against none, region saves 49,286,461 page faults and 376\.8 MiB of page tables\.\nThe address that area got is luck: 1 MiB is all it promises, and 49,286,912 faults\.\n$/m,
    );
  });

  it("says why nothing was measured", () => {
    const mappings = [none, region].map((mapping) => Object.assign(mapping, { measurement: null }));
    const text = demoText({ ...DEMO, mappings, hindrance: "the moon is full" }, LAYOUT);
    assert.match(text, /^Not measured: the moon is full\.$/m);
    assert.doesNotMatch(text, /Measured on this machine|luck/);
  });

  it("says nothing of savings where there are none", () => {
    const text = demoText({ ...DEMO, mappings: [region], hindrance: "" }, LAYOUT);
    assert.match(text, /\nNo strategy did better than the others\.\n$/);
  });
});
