import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { deviceHome, type MachineDevice } from "../sysfs/machine.fixture.ts";
import { BDF, HOME, recorded } from "../uses/machine/recorded-machine.fixture.ts";
import { type BindOptions, planBind, planUnbind } from "./plan.ts";

const VMD = "0000:00:0e.0";
/** A GPU, its sound function, a bridge above them, all in one group; and a disk in another. */
const CARD: readonly MachineDevice[] = [
  { bdf: "0000:00:1c.0", driver: "pcieport", class: 0x060400 },
  { bdf: "0000:00:00.0", driver: null, class: 0x060000 },
  { bdf: "0000:01:00.1", driver: "snd_hda_intel", class: 0x040300 },
  { bdf: BDF, driver: "nvidia" },
  { bdf: "0000:01:00.2" },
  { bdf: "0000:02:00.0", driver: "nvme", group: 8 },
];
const UP = {
  [`${HOME}/net/eth0/flags`]: "0x1003\n",
  "class/net/eth0": `-> ../../${HOME}/net/eth0`,
};

describe("planBind", () => {
  it("takes the whole group but its bridges, the device asked for first", (test) => {
    const { steps } = planBind(recorded(test, { devices: CARD }), BDF, { group: true });
    assert.deepEqual(
      steps.map(({ bdf }) => bdf),
      [BDF, "0000:01:00.1"],
    );
  });

  it("says who keeps the group from being viable", (test) => {
    const survey = recorded(test, { devices: CARD });
    const inTheWay = [{ bdf: "0000:01:00.1", driver: "snd_hda_intel" }];
    assert.deepEqual(planBind(survey, BDF).group, { number: 7, inTheWay });
    assert.deepEqual(planBind(survey, BDF, { group: true }).group, { number: 7, inTheWay: [] });
    // Also of a device that VFIO has.
    const bound = planBind(survey, "0000:01:00.2");
    assert.deepEqual(bound.steps, []);
    assert.deepEqual(
      bound.group?.inTheWay.map(({ bdf }) => bdf),
      [BDF, "0000:01:00.1"],
    );
  });

  it("refuses a device in use; forced, it names each use that it overrides", (test) => {
    const survey = recorded(test, { devices: [{ bdf: BDF, driver: "e1000e" }], sys: UP });
    assert.throws(() => planBind(survey, BDF), {
      code: "ERR_BUSY",
      exitCode: 5,
      message:
        "Cannot bind 0000:01:00.0: it is in use: network interface eth0 is up. --force takes it away all the same",
    });
    const { steps, overridden } = planBind(survey, BDF, { force: true });
    assert.equal(steps.length, 1);
    assert.deepEqual(overridden, ["0000:01:00.0: network interface eth0 is up"]);
  });

  it("refuses a group for the use of another of its devices", (test) => {
    const devices = [
      { bdf: BDF, driver: "e1000e" },
      { bdf: "0000:01:00.1", driver: "edu" },
    ];
    const survey = recorded(test, { devices, sys: UP });
    assert.equal(planBind(survey, "0000:01:00.1").steps.length, 1);
    assert.throws(() => planBind(survey, "0000:01:00.1", { group: true }), {
      code: "ERR_BUSY",
      message: /: 0000:01:00\.0 of its IOMMU group is in use: network interface eth0 is up/,
    });
  });

  it("refuses a device behind no IOMMU, which no force but a switch of its own allows", (test) => {
    const survey = recorded(test, { devices: [{ bdf: BDF, driver: "edu", group: null }] });
    for (const options of [{}, { force: true }]) {
      assert.throws(() => planBind(survey, BDF, options), {
        code: "ERR_NOT_SUPPORTED",
        message: /^Cannot bind 0000:01:00\.0: no IOMMU stands before it; /,
      });
    }
    assert.equal(planBind(survey, BDF, { noIommu: true }).steps.length, 1);
  });

  it("takes a device that gets its group only with a driver, and says so", (test) => {
    const planWith = (unit: string, driver: string | null) => {
      const survey = recorded(test, { devices: [{ bdf: BDF, driver, group: null }] });
      mkdirSync(join(survey.roots.sys, "class/iommu", unit), { recursive: true });
      return (options: BindOptions = {}) => planBind(survey, BDF, options);
    };
    const { steps, notes, group } = planWith("smmu3.0x0000000009050000", null)();
    assert.deepEqual([steps.length, group], [1, null]);
    assert.deepEqual(notes, [
      "0000:01:00.0 has no IOMMU group before a driver has taken it: who else is in that is not known yet",
    ]);
    assert.throws(() => planWith("smmu3.0x0000000009050000", null)({ group: true }), {
      code: "ERR_NOT_SUPPORTED",
      message: /^Cannot find the IOMMU group of 0000:01:00\.0: it has none before a driver has taken it; /,
    });
    // With a driver it would have one, and on x86 it has one from the start.
    for (const plan of [planWith("smmu3.0x0000000009050000", "edu"), planWith("dmar0", null)]) {
      assert.throws(plan, { code: "ERR_NOT_SUPPORTED", message: /no IOMMU stands before it/ });
    }
  });

  it("refuses what vfio-pci does, by the header and not by the class", (test) => {
    const devices = [
      { bdf: BDF, driver: "pcieport", class: 0x060400 },
      { bdf: "0000:01:00.1", driver: null, class: 0x068000, group: 8 },
      { bdf: "0000:01:00.2", driver: null, class: 0x060400, group: 9 },
    ];
    const survey = recorded(test, { devices });
    const config = new Uint8Array(64);
    writeFileSync(join(deviceHome(survey.roots.sys, "0000:01:00.2"), "config"), config);
    config[0x0e] = 0x81;
    writeFileSync(join(deviceHome(survey.roots.sys, "0000:01:00.1"), "config"), config);
    for (const bdf of [BDF, "0000:01:00.1"]) {
      assert.throws(() => planBind(survey, bdf, { force: true }), {
        code: "ERR_NOT_SUPPORTED",
        message: /is a bridge to another bus \(PCI header type 1\), which vfio-pci does not take/,
      });
    }
    assert.equal(planBind(survey, "0000:01:00.2").steps.length, 1);
  });

  it("says who needs a VF token", (test) => {
    const vf = "0000:01:10.0";
    const devices = (driver: string): MachineDevice[] => [
      { bdf: BDF, driver },
      { bdf: vf, driver: null, group: 8 },
    ];
    const sys = { [`devices/pci0000:00/${vf}/physfn`]: `-> ../${BDF}` };
    assert.deepEqual(planBind(recorded(test, { devices: devices("vfio-pci"), sys }), vf).notes, [
      `${vf} is a virtual function of ${BDF}, which VFIO has too: both open with the same VF token (vfToken, --vf-token, QEMU's vf-token=UUID)`,
    ]);
    assert.deepEqual(planBind(recorded(test, { devices: devices("igb"), sys }), vf).notes, []);
  });

  it("never takes a whole domain away unasked", (test) => {
    const survey = recorded(test, {
      devices: [
        { bdf: VMD, driver: "vmd", class: 0x010400 },
        { bdf: BDF, driver: "edu" },
      ],
      sys: {
        [`devices/pci0000:00/${VMD}/pci10000:e0/10000:e0:06.0`]: null,
        "bus/pci/devices/10000:e0:06.0": `-> ../../../devices/pci0000:00/${VMD}/pci10000:e0/10000:e0:06.0`,
      },
    });
    for (const force of [false, true]) {
      assert.throws(() => planBind(survey, BDF, { group: true, force }), {
        code: "ERR_BUSY",
        message: /: 0000:00:0e\.0 of its IOMMU group carries 1 other PCI devices \(10000:e0:06\.0\)/,
      });
    }
    assert.throws(() => planBind(survey, VMD), {
      code: "ERR_BUSY",
      message: /PCI devices hang below it, which go with it: 10000:e0:06\.0 \(no driver\)/,
    });
    assert.equal(planBind(survey, VMD, { force: true }).steps.length, 1);
  });
});

describe("planUnbind", () => {
  it("takes no virtual functions away with their physical one unasked", (test) => {
    const vf = "0000:01:10.0";
    const survey = recorded(test, {
      devices: [{ bdf: BDF }, { bdf: vf, group: 9 }],
      sys: { [`${HOME}/sriov_numvfs`]: "1\n", [`${HOME}/virtfn0`]: `-> ../${vf}` },
      proc: { "4242/comm": "qemu-system-x86\n", "4242/fd/12": "-> /dev/vfio/9" },
    });
    const use = `it has 1 virtual function: ${vf} (vfio-pci, held by process 4242 (qemu-system-x86))`;
    assert.throws(() => planUnbind(survey, BDF), {
      code: "ERR_BUSY",
      message: `Cannot unbind ${BDF}: ${use}; end that first, or wait for it with --force`,
    });
    const forced = planUnbind(survey, BDF, { force: true });
    assert.deepEqual([forced.steps.length, forced.overridden], [1, [`${BDF}: ${use}`]]);
    assert.equal(planUnbind(recorded(test, { devices: [{ bdf: BDF }] }), BDF).steps.length, 1);
  });
});
