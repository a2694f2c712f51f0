import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { compareBdf, fullBdf, parseBdf } from "./bdf.ts";

describe("fullBdf", () => {
  it("completes the short form and keeps the full one", () => {
    assert.equal(fullBdf("01:00.0"), "0000:01:00.0");
    assert.equal(fullBdf("0009:0A:1f.7"), "0009:0a:1f.7");
    assert.equal(fullBdf("10000:e1:00.0"), "10000:e1:00.0");
  });

  it("refuses what no PCI address is", () => {
    for (const text of [
      "",
      "1:00.0",
      "01:20.0",
      "01:00.8",
      "01:00",
      "01:00.0 ",
      "000:01:00.0",
      "../01:00.0",
    ]) {
      assert.equal(fullBdf(text), null, text);
    }
  });

  it("gives the name that sysfs uses for every address there can be", () => {
    fc.assert(
      fc.property(fc.nat(0xffff), fc.nat(0xff), fc.nat(0x1f), fc.nat(7), (domain, bus, device, fn) => {
        const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, "0");
        const name = `${hex(domain, 4)}:${hex(bus, 2)}:${hex(device, 2)}.${fn}`;
        assert.equal(fullBdf(name.toUpperCase()), name);
      }),
    );
  });
});

describe("compareBdf", () => {
  it("goes by domain, bus, device and function, however many digits the domain has", () => {
    const digits = fc.tuple(fc.nat(0xffffffff), fc.nat(0xff), fc.nat(0x1f), fc.nat(7));
    const name = ([domain, bus, device, fn]: readonly number[]): string => {
      const hex = (value = 0, width = 2): string => value.toString(16).padStart(width, "0");
      return `${hex(domain, 4)}:${hex(bus)}:${hex(device)}.${fn}`;
    };
    fc.assert(
      fc.property(fc.array(digits), (numbers) => {
        const byNumber = numbers.toSorted((one, other) => {
          const differing = one.findIndex((value, index) => value !== other[index]);
          return differing === -1 ? 0 : (one[differing] ?? 0) - (other[differing] ?? 0);
        });
        assert.deepEqual(numbers.map(name).toSorted(compareBdf), byNumber.map(name));
      }),
    );
    const names = ["10000:e1:00.0", "7d5e:00:00.0", "0000:ff:1f.7", "0000:0a:00.0", "0000:0a:00.1"];
    assert.deepEqual(names.toSorted(compareBdf), [
      "0000:0a:00.0",
      "0000:0a:00.1",
      "0000:ff:1f.7",
      "7d5e:00:00.0",
      "10000:e1:00.0",
    ]);
  });
});

describe("parseBdf", () => {
  it("says what a PCI address looks like", () => {
    assert.throws(() => parseBdf("gpu0"), {
      code: "ERR_ARGUMENT",
      message: 'Cannot use device "gpu0": a PCI address looks like 0000:01:00.0',
    });
  });
});
