import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { faultHandler, type FaultHandler } from "./handler.ts";

describe("faultHandler", () => {
  it("had three generations", () => {
    const wrong: FaultHandler = { mapsWrongMemory: true, dependsOnOrder: true };
    const ordered: FaultHandler = { mapsWrongMemory: false, dependsOnOrder: true };
    const right: FaultHandler = { mapsWrongMemory: false, dependsOnOrder: false };
    for (const kernel of ["6.12.0", "6.12.5", "6.12.9+bpo-amd64", "6.13.0-rc3", "6.13.0-rc6"]) {
      assert.deepEqual(faultHandler(kernel), wrong, kernel);
    }
    for (const kernel of ["6.12.10", "6.12.28", "6.13.0-rc7", "6.13.12", "6.14.3", "6.14.6", "6.15.0-rc5"]) {
      assert.deepEqual(faultHandler(kernel), ordered, kernel);
    }
    for (const kernel of ["6.12.29", "6.12.107+deb13-amd64", "6.14.7", "6.15.0-rc6", "6.15.0", "7.3.4"]) {
      assert.deepEqual(faultHandler(kernel), right, kernel);
    }
  });

  it("is not known of a distribution's kernel that may have taken up either mending", () => {
    const either: FaultHandler = { mapsWrongMemory: null, dependsOnOrder: null };
    assert.deepEqual(faultHandler("6.12.0-55.9.1.el10_0.x86_64"), either);
    assert.deepEqual(faultHandler("6.14.0-24-generic"), { mapsWrongMemory: false, dependsOnOrder: null });
    assert.deepEqual(faultHandler("6.17.0-1014-nvidia"), { mapsWrongMemory: false, dependsOnOrder: false });
  });
});
