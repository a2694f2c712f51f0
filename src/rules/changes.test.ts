import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { changes, hasChange, type Change } from "./changes.ts";

const change: Change = {
  series: 6_018,
  candidate: 3,
  stable: new Map([[6_012, 40]]),
  unsure: new Map([[6_016, 9]]),
};

describe("hasChange", () => {
  it("is decided by upstream's numbers", () => {
    const rows: readonly (readonly [string, boolean | null])[] = [
      ["6.11.12", false],
      ["6.12.39", false],
      ["6.12.40", true],
      ["6.12.0-rc7", false],
      ["6.16.8", false],
      ["6.16.9", null],
      ["6.17.13", false],
      ["6.18.0-rc2", false],
      ["6.18.0-rc3", true],
      ["6.18.0", true],
      ["6.19.0-rc1", true],
      ["", null],
      ["Linux", null],
    ];
    for (const [kernel, has] of rows) assert.equal(hasChange(kernel, change), has, kernel);
  });

  it("is decided by a distribution's number only where it says that the change is there", () => {
    const rows: readonly (readonly [string, boolean | null])[] = [
      ["6.12.40-64.114.amzn2023.x86_64", true],
      ["6.12.39-64.114.amzn2023.x86_64", null],
      ["6.12.0-124.el10.x86_64", null],
      ["6.18.0-8-generic", true],
      ["6.17.0-14-generic", null],
      // Debian's count of interfaces: some 6.12.y, or some 6.1.y.
      ["6.12.0-3-amd64", null],
      ["6.1.0-47-amd64", false],
    ];
    for (const [kernel, has] of rows) assert.equal(hasChange(kernel, change), has, kernel);
  });

  it("once there stays there, in all later releases of a series and all later series", () => {
    const kernel = fc.tuple(fc.integer({ min: 0, max: 8 }), fc.nat(30), fc.nat(120));
    const known = fc.constantFrom(...Object.values(changes));
    fc.assert(
      fc.property(kernel, known, ([major, minor, patch], each) => {
        if (hasChange(`${major}.${minor}.${patch}`, each) !== true) return;
        assert.equal(hasChange(`${major}.${minor}.${patch + 1}`, each), true);
        assert.equal(hasChange(`${major}.${minor}.${patch}-anyone`, each), true);
      }),
    );
  });
});
