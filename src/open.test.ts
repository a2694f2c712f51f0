import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { openDevice } from "./open.ts";

describe("openDevice", () => {
  it("says what the name of a device looks like", () => {
    for (const name of ["gpu0", "/run/device.sock", "0000:01:00.8", ""]) {
      assert.throws(() => openDevice(name), {
        code: "ERR_ARGUMENT",
        message: `Cannot use device ${JSON.stringify(name)}: a PCI address looks like 0000:01:00.0, a device at a socket like vfio-user:/run/device.sock`,
      });
    }
  });
});
