import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { hugePfnmapSupport, thpGate, type ThpGate, type ThpSetting } from "./thp-gate.ts";

/** The settings in the order of the table: `always`; `madvise`, not advised; `madvise`, advised; `never`. */
const settings: readonly (readonly [ThpSetting, boolean])[] = [
  ["always", false],
  ["madvise", false],
  ["madvise", true],
  ["never", false],
];

function rowOf(kernel: string): ThpGate[] {
  return settings.map(([enabled, advised]) => thpGate({ kernel, enabled, advised }));
}

const ASKS: readonly ThpGate[] = ["open", "closed", "open", "closed"];
const SILENT: readonly ThpGate[] = ["open", "open", "open", "open"];
const MAY_ASK: readonly ThpGate[] = ["open", "unknown", "open", "unknown"];
const NONE: readonly ThpGate[] = ["absent", "absent", "absent", "absent"];
const UNKNOWN: readonly ThpGate[] = ["unknown", "unknown", "unknown", "unknown"];

describe("thpGate", () => {
  it("is as was seen on real kernels", () => {
    for (const kernel of ["6.12.107", "6.12.107+deb13-amd64"]) assert.deepEqual(rowOf(kernel), ASKS);
    for (const kernel of ["7.2.13", "7.2.13+deb14-amd64"]) assert.deepEqual(rowOf(kernel), SILENT);
    // `never` stops them either way.
    assert.equal(thpGate({ kernel: "6.12.107", enabled: "never", advised: true }), "closed");
    assert.equal(thpGate({ kernel: "7.2.13", enabled: "never", advised: true }), "open");
  });

  it("follows upstream: from 6.12, asked until 7.3 and the stable releases that took its change", () => {
    const rows: readonly (readonly [string, readonly ThpGate[]])[] = [
      ["5.14.0", NONE],
      ["6.6.120", NONE],
      ["6.11.11", NONE],
      ["6.12.0-rc1", ASKS],
      ["6.12", ASKS],
      ["6.12.0", ASKS],
      ["6.12.111", ASKS],
      ["6.12.112", MAY_ASK],
      ["6.13.12", ASKS],
      ["6.17.13", ASKS],
      ["6.18.53", ASKS],
      ["6.18.54", SILENT],
      ["6.19.14", ASKS],
      ["7.0.9", ASKS],
      ["7.1.8", ASKS],
      ["7.1.9", MAY_ASK],
      ["7.2.0", ASKS],
      ["7.2.7", ASKS],
      ["7.2.8", SILENT],
      ["7.3.0-rc1", MAY_ASK],
      ["7.3.0", SILENT],
      ["7.4.0-rc1", SILENT],
      ["8.0.1", SILENT],
    ];
    for (const [kernel, row] of rows) assert.deepEqual(rowOf(kernel), row, kernel);
  });

  it("takes nothing from the version of a kernel that others changed but what backports cannot take away", () => {
    const rows: readonly (readonly [string, readonly ThpGate[]])[] = [
      ["5.14.0-427.el9.x86_64", UNKNOWN],
      ["6.8.0-45-generic", UNKNOWN],
      ["6.8.0-1011-nvidia-64k", UNKNOWN],
      ["6.1.0-47-amd64", UNKNOWN],
      ["6.12.0-55.el10.x86_64", MAY_ASK],
      ["6.14.0-24-generic", MAY_ASK],
      ["6.17.0-1014-nvidia", MAY_ASK],
      ["6.18.44-fc-v669", MAY_ASK],
      ["6.12.50+", MAY_ASK],
      ["6.12.50-g0123456789ab", MAY_ASK],
      ["7.2.8-arch1-1", SILENT],
      ["6.18.54-200.fc43.x86_64", SILENT],
      ["7.3.0-1-default", SILENT],
      ["7.3.0-rc2-next-20260910", MAY_ASK],
    ];
    for (const [kernel, row] of rows) assert.deepEqual(rowOf(kernel), row, kernel);
  });

  it("is unknown where what decides is not known", () => {
    assert.equal(thpGate({ kernel: "6.12.1", enabled: "madvise", advised: null }), "unknown");
    assert.equal(thpGate({ kernel: "6.12.1", enabled: null, advised: true }), "unknown");
    assert.equal(thpGate({ kernel: "7.3.0", enabled: null, advised: true }), "unknown");
    for (const kernel of ["", "Linux", "6", "v6.12.1", "6.x"])
      assert.deepEqual(rowOf(kernel), UNKNOWN, kernel);
  });

  it("does not need what does not decide", () => {
    assert.equal(thpGate({ kernel: "6.12.1", enabled: "always", advised: null }), "open");
    assert.equal(thpGate({ kernel: "6.12.1", enabled: "never", advised: null }), "closed");
    assert.equal(thpGate({ kernel: "7.3.0", enabled: "madvise", advised: null }), "open");
    assert.equal(thpGate({ kernel: "6.6.1", enabled: null, advised: null }), "absent");
  });
});

describe("hugePfnmapSupport", () => {
  it("came with 6.12, upstream", () => {
    assert.equal(hugePfnmapSupport("6.11.0"), "absent");
    assert.equal(hugePfnmapSupport("6.12.0-rc1"), "present");
    assert.equal(hugePfnmapSupport("6.12.0"), "present");
    assert.equal(hugePfnmapSupport("7.0.0"), "present");
  });

  it("may have been backported by a distribution", () => {
    assert.equal(hugePfnmapSupport("5.14.0-570.el9.x86_64"), "unknown");
    assert.equal(hugePfnmapSupport("6.8.0-45-generic"), "unknown");
    assert.equal(hugePfnmapSupport("6.14.0-24-generic"), "present");
    assert.equal(hugePfnmapSupport("nonsense"), "unknown");
  });
});
