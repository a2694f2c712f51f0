import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { deviceUses } from "../device-uses.ts";
import { BDF, HOME, OTHER_HOME, recorded, virtio } from "./machine/recorded-machine.fixture.ts";

const MODULE = "module/vmw_vsock_virtio_transport";
const devices = [{ bdf: BDF, driver: "virtio-pci" }];
const vsock = virtio("vmw_vsock_virtio_transport", `${HOME}/virtio3`);

describe("vsockUses", () => {
  for (const { refcnt, uses } of [
    { refcnt: "0\n", uses: [] },
    { refcnt: "1\n", uses: ["a connection to the host (vsock) goes by it"] },
    { refcnt: "3\n", uses: ["3 connections to the host (vsock) go by it"] },
  ]) {
    it(`counts the sockets of a module held ${refcnt.trim()} times`, (test) => {
      const survey = recorded(test, { devices, sys: { ...vsock, [`${MODULE}/refcnt`]: refcnt } });
      assert.deepEqual(deviceUses(survey, BDF), { uses, unknown: [] });
    });
  }

  it("counts no module that needs this one", (test) => {
    const sys = { ...vsock, [`${MODULE}/refcnt`]: "1\n", [`${MODULE}/holders/other`]: null };
    assert.deepEqual(deviceUses(recorded(test, { devices, sys }), BDF).uses, []);
  });

  it("cannot tell where the kernel has the driver built in", (test) => {
    const survey = recorded(test, { devices, sys: { ...vsock, [`${MODULE}/parameters`]: null } });
    assert.deepEqual(deviceUses(survey, BDF), {
      uses: [],
      unknown: [{ what: "who is connected to the host by it (vsock)", isRefused: false }],
    });
  });

  it("leaves other functions alone", (test) => {
    const sys = virtio("vmw_vsock_virtio_transport", `${OTHER_HOME}/virtio3`);
    assert.deepEqual(deviceUses(recorded(test, { devices, sys }), BDF), { uses: [], unknown: [] });
  });
});
