import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { besideSys, type MachineRoots } from "../sysfs/machine-roots.ts";
import { readPciDevice } from "../sysfs/pci-device.ts";
import { BDF, recorded, type Recorded } from "../uses/machine/recorded-machine.fixture.ts";
import { changeFiles, type FileChange, forgetChanges, operatorsOverride, persistChange } from "./persist.ts";

const GPU: Recorded = {
  devices: [{ bdf: BDF, driver: "nvidia", class: 0x030200, vendor: 0x10de, device: 0x2342 }],
};

function changeOf(roots: MachineRoots): FileChange {
  const change = persistChange(roots, readPciDevice(roots.sys, BDF), "vfio-pci");
  assert.ok(change !== null);
  return change;
}

describe("persistChange", () => {
  it("writes driverctl's file where driverctl is, and takes it back", (test) => {
    const { roots } = recorded(test, { ...GPU, root: { "usr/sbin/driverctl": "" } });
    changeFiles([changeOf(roots)]);
    const folder = besideSys(roots, "etc/driverctl.d");
    assert.deepEqual(readdirSync(folder), [`pci-${BDF}`]);
    const file = join(folder, `pci-${BDF}`);
    // As driverctl reads it.
    const read = spawnSync("bash", ["-c", `drv=$(< "$0"); printf %s "$drv"`, file], { encoding: "utf8" });
    assert.equal(read.stdout, "vfio-pci");
    assert.equal(operatorsOverride(roots, BDF), null);
    changeFiles(forgetChanges(roots, BDF));
    assert.deepEqual(readdirSync(folder), []);
    assert.deepEqual(forgetChanges(roots, BDF), []);
  });

  it("writes a rule of udev's elsewhere, and takes it back", (test) => {
    const { roots } = recorded(test, GPU);
    const change = changeOf(roots);
    changeFiles([change]);
    assert.equal(change.path, besideSys(roots, `etc/udev/rules.d/05-hugebar-${BDF}.rules`));
    assert.equal(statSync(change.path).mode & 0o777, 0o644);
    const match = `ACTION=="add", SUBSYSTEM=="pci", KERNEL=="${BDF}", ATTR{vendor}=="0x10de", ATTR{device}=="0x2342"`;
    assert.equal(
      readFileSync(change.path, "utf8"),
      `# hugebar bind --persist: ${BDF} goes to vfio-pci. \`hugebar unbind ${BDF}\` takes this file away.
${match}, ATTR{driver_override}="vfio-pci"
${match}, RUN{builtin}+="kmod load vfio-pci"
${match}, RUN+="/bin/sh -c '[ -e /sys/bus/pci/drivers/vfio-pci/${BDF} ] || { [ ! -e /sys/bus/pci/devices/${BDF}/driver ] || echo ${BDF} > /sys/bus/pci/devices/${BDF}/driver/unbind; } && echo ${BDF} > /sys/bus/pci/drivers_probe'"
`,
    );
    changeFiles(forgetChanges(roots, BDF));
    assert.equal(existsSync(change.path), false);
  });

  it("takes no disk from the driver that has it at the start", (test) => {
    const { roots } = recorded(test, { devices: [{ bdf: BDF, driver: "nvme", class: 0x010802 }] });
    const { content } = changeOf(roots);
    assert.doesNotMatch(content ?? "", /unbind >|driver\/unbind/);
  });

  for (const driver of ["vfio-pci", "nouveau"]) {
    it(`leaves a file of driverctl's alone by which an operator gave the device to ${driver}`, (test) => {
      const file = `etc/driverctl.d/pci-${BDF}`;
      const root = { [file]: `${driver}\n`, "usr/sbin/driverctl": "" };
      const { roots } = recorded(test, { ...GPU, root });
      assert.deepEqual(forgetChanges(roots, BDF), []);
      assert.equal(operatorsOverride(roots, BDF), driver);
      // What it says already need not be written.
      const change = persistChange(roots, readPciDevice(roots.sys, BDF), "vfio-pci");
      assert.equal(change === null, driver === "vfio-pci");
    });
  }

  it("says what it cannot write", (test) => {
    const { roots } = recorded(test, { ...GPU, root: { etc: "no folder" } });
    const change = changeOf(roots);
    assert.throws(() => changeFiles([change]), {
      code: "ERR_SYSTEM",
      message: /: not a directory \(ENOTDIR\)$/,
    });
  });
});
