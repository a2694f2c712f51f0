import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { fullBdf, parseBdf } from "./bdf.ts";

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

describe("parseBdf", () => {
  it("says what a PCI address looks like", () => {
    assert.throws(() => parseBdf("gpu0"), {
      code: "ERR_ARGUMENT",
      message: 'Cannot use device "gpu0": a PCI address looks like 0000:01:00.0',
    });
  });
});
