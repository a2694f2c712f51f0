import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { gateByRule, thpGate, type GateCause, type ThpGate, type ThpSetting, type ThpState } from "./gate.ts";

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
    for (const kernel of ["6.12.117+deb13-amd64", "7.2.13", "7.2.13+deb14-amd64"]) {
      assert.deepEqual(rowOf(kernel), SILENT);
    }
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
      ["6.12.114", ASKS],
      ["6.12.115", SILENT],
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
      ["6.1.0-47-amd64", NONE],
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

describe("gateByRule", () => {
  const open: ThpState = {
    kernel: "7.3.4",
    arch: "x86_64",
    driver: "vfio-pci",
    enabled: "always",
    advised: null,
  };
  const causeOf = (state: Partial<ThpState>): readonly [ThpGate, GateCause | null] => {
    const { gate, cause } = gateByRule({ ...open, ...state });
    return [gate, cause];
  };

  it("is closed by advice against huge pages and by the process on every kernel", () => {
    for (const kernel of ["6.12.107", "6.12.117", "7.3.4", "6.14.0-24-generic", "5.14.0-570.el9.x86_64"]) {
      for (const advised of [true, false, null]) {
        assert.deepEqual(causeOf({ kernel, advised, forbidden: true }), ["closed", "advice-never"], kernel);
        assert.deepEqual(causeOf({ kernel, advised, disabled: "all" }), ["closed", "thp-process"], kernel);
      }
    }
    // What is not there cannot be closed.
    assert.deepEqual(causeOf({ kernel: "6.6.1", forbidden: true }), ["absent", "no-huge-pfnmap"]);
  });

  it("lets a process that turned them off except where advised have those", () => {
    assert.deepEqual(causeOf({ disabled: "except-advised", advised: true }), ["open", null]);
    assert.deepEqual(causeOf({ disabled: "except-advised", advised: false }), ["closed", "thp-process"]);
    assert.deepEqual(causeOf({ disabled: "except-advised" }), ["unknown", "advice-unknown"]);
  });

  it("says which thing is not known", () => {
    assert.deepEqual(causeOf({ kernel: "5.14.0-570.el9.x86_64" }), ["unknown", "kernel-unknown"]);
    assert.deepEqual(causeOf({ driver: "nvidia-vgpu-vfio" }), ["unknown", "driver-unknown"]);
    assert.deepEqual(causeOf({ kernel: "6.12.1", enabled: "madvise" }), ["unknown", "advice-unknown"]);
    assert.deepEqual(causeOf({ enabled: null }), ["unknown", "thp-unknown"]);
    const mayAsk = { kernel: "6.14.0-24-generic", enabled: "never" } as const;
    assert.deepEqual(causeOf(mayAsk), ["unknown", "kernel-unknown"]);
  });

  it("is absent in a kernel built without transparent huge pages", () => {
    assert.deepEqual(causeOf({ enabled: null, withoutThp: true }), ["absent", "no-huge-pfnmap"]);
  });

  it("is open for a device that is emulated", () => {
    assert.deepEqual(causeOf({ way: "vfio-user", kernel: "5.10.1", forbidden: true }), ["open", null]);
  });
});
