import assert from "node:assert/strict";
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { basename, join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { linux } from "../../system/libc.ts";
import { SystemCallError } from "../../system/system.ts";
import { deviceHome, recordMachine, type MachineDevice } from "../sysfs/machine.fixture.ts";
import { surveyOf, type Survey } from "../uses/machine/survey.ts";
import { carryOut, loadDrivers } from "./carry-out.ts";
import { planBind, planUnbind } from "./plan.ts";
import { StillWaiting, WriterLost, type Hands } from "./write-attribute.ts";

const BDF = "0000:01:00.0";
const OTHER = "0000:01:00.1";

interface Bed {
  readonly survey: Survey;
  readonly hands: Hands;
  /** `PATH below /sys = VALUE` of every write. */
  readonly writes: string[];
}

interface BedOptions {
  /** The driver that takes no device. */
  readonly refuses?: string;
  /** The write, counted from 0, that fails. */
  readonly failing?: { readonly at: number; readonly error: Error };
}

/**
 * A recorded machine whose sysfs does what the kernel's would: `unbind` takes the driver away, `drivers_probe` finds
 * one, `driver_override` decides which.
 */
function bed(test: TestContext, devices: readonly MachineDevice[], options: BedOptions = {}): Bed {
  const sys = recordMachine(test, devices);
  const proc = join(sys, "../proc");
  mkdirSync(proc);
  const writes: string[] = [];
  const natives = new Map(
    devices.map(({ bdf, driver = "vfio-pci" }) => [bdf, driver === "vfio-pci" ? "nvme" : driver]),
  );
  const setDriver = (bdf: string, driver: string | null): void => {
    const home = deviceHome(sys, bdf);
    rmSync(join(home, "driver"), { force: true });
    rmSync(join(home, "vfio-dev"), { recursive: true, force: true });
    if (driver === null) return;
    symlinkSync(`../../../bus/pci/drivers/${driver}`, join(home, "driver"));
    if (driver.includes("vfio")) mkdirSync(join(home, "vfio-dev/vfio0"), { recursive: true });
  };
  const wrote = (path: string, value: string): void => {
    switch (basename(path)) {
      case "driver_override":
        writeFileSync(path, value === "\n" ? "(null)\n" : `${value}\n`);
        return;
      case "unbind":
        setDriver(value, null);
        return;
      case "drivers_probe": {
        const override = readFileSync(join(deviceHome(sys, value), "driver_override"), "utf8").trim();
        const wanted = override === "(null)" ? (natives.get(value) ?? null) : override;
        setDriver(value, wanted === options.refuses ? null : wanted);
      }
    }
  };
  const hands: Hands = {
    async write(path, value) {
      writes.push(`${path.slice(sys.length + 1)} = ${JSON.stringify(value)}`);
      if (writes.length - 1 === options.failing?.at) throw options.failing.error;
      wrote(path, value);
    },
    async load(module) {
      writes.push(`modprobe ${module}`);
      if (options.refuses === module) return false;
      mkdirSync(join(sys, "bus/pci/drivers", module), { recursive: true });
      return true;
    },
  };
  return { survey: surveyOf({ sys, proc }, linux), hands, writes };
}

/** The driver that each device has. */
function driversOf({ survey }: Bed, ...devices: readonly string[]): (string | null)[] {
  const again = surveyOf(survey.roots, linux);
  return devices.map((bdf) => planBind(again, bdf, { driver: "any" }).steps[0]?.from ?? null);
}

describe("planBind and carryOut", () => {
  it("hand a device over: override, unbind, probe", async (test) => {
    const { survey, hands, writes } = bed(test, [{ bdf: BDF, driver: "nvme" }]);
    const { steps } = planBind(survey, BDF);
    assert.deepEqual(await carryOut(steps, survey, hands), [{ bdf: BDF, from: "nvme", to: "vfio-pci" }]);
    assert.deepEqual(writes, [
      `bus/pci/devices/${BDF}/driver_override = "vfio-pci"`,
      `bus/pci/drivers/nvme/unbind = "${BDF}"`,
      `bus/pci/drivers_probe = "${BDF}"`,
    ]);
    assert.deepEqual(planBind(survey, BDF).steps, []);
  });

  it("need not unbind a device without a driver", async (test) => {
    const { survey, hands } = bed(test, [{ bdf: BDF, driver: null }]);
    assert.deepEqual(await carryOut(planBind(survey, BDF).steps, survey, hands), [
      { bdf: BDF, from: null, to: "vfio-pci" },
    ]);
  });

  it("load the driver first where the kernel has not got it", async (test) => {
    for (const [refuses, result] of [
      [undefined, "bound"],
      ["vfio-pci", "ERR_NOT_SUPPORTED"],
    ] as const) {
      const { survey, hands, writes } = bed(
        test,
        [{ bdf: BDF, driver: "nvme" }],
        refuses === undefined ? {} : { refuses },
      );
      rmSync(join(survey.roots.sys, "bus/pci/drivers/vfio-pci"), { recursive: true });
      const { steps } = planBind(survey, BDF);
      const loading = loadDrivers(steps, survey.roots, hands);
      if (result === "bound") await loading;
      else {
        await assert.rejects(loading, {
          code: result,
          message:
            "Cannot bind 0000:01:00.0: the kernel has no driver vfio-pci, and `modprobe vfio-pci` fails",
        });
      }
      assert.deepEqual(writes, ["modprobe vfio-pci"]);
    }
  });

  it("give a device back that vfio-pci does not take, and its override", async (test) => {
    const it = bed(test, [{ bdf: BDF, driver: "nvme" }], { refuses: "vfio-pci" });
    const override = join(deviceHome(it.survey.roots.sys, BDF), "driver_override");
    writeFileSync(override, "nvme\n");
    await assert.rejects(carryOut(planBind(it.survey, BDF).steps, it.survey, it.hands), {
      code: "ERR_SYSTEM",
      message:
        "Cannot bind 0000:01:00.0: no driver took it instead of vfio-pci; the kernel's log says why; 0000:01:00.0 is with nvme as before",
    });
    assert.deepEqual(driversOf(it, BDF), ["nvme"]);
    assert.equal(readFileSync(override, "utf8"), "nvme\n");
  });

  it("leave the device with its driver, whichever write fails", async (test) => {
    for (const at of [0, 1, 2]) {
      for (const [errno, code] of [
        [constants.errno.EACCES, "ERR_PERMISSION"],
        [constants.errno.EINVAL, "ERR_SYSTEM"],
      ] as const) {
        const error = new SystemCallError("write", errno);
        const it = bed(test, [{ bdf: BDF, driver: "nvme" }], { failing: { at, error } });
        await assert.rejects(carryOut(planBind(it.survey, BDF).steps, it.survey, it.hands), {
          code,
          message: /0000:01:00\.0 is with nvme as before$/,
        });
        assert.deepEqual(driversOf(it, BDF), ["nvme"]);
      }
    }
  });

  it("put back what was begun when the writing process is lost, or anything else is thrown", async (test) => {
    for (const at of [0, 1, 2]) {
      for (const [error, problem] of [
        [new WriterLost("was ended by SIGKILL"), "the process that makes the write was ended by SIGKILL"],
        [new TypeError("a mistake of ours"), "a mistake of ours"],
      ] as const) {
        const it = bed(test, [{ bdf: BDF, driver: "nvme" }], { failing: { at, error } });
        await assert.rejects(carryOut(planBind(it.survey, BDF).steps, it.survey, it.hands), {
          code: "ERR_SYSTEM",
          message: `Cannot bind ${BDF}: ${problem}; ${BDF} is with nvme as before`,
        });
        assert.deepEqual(driversOf(it, BDF), ["nvme"]);
        const override = join(deviceHome(it.survey.roots.sys, BDF), "driver_override");
        assert.equal(readFileSync(override, "utf8"), "(null)\n");
      }
    }
  });

  it("put back a device whose write waited in vain and could be ended", async (test) => {
    const it = bed(test, [{ bdf: BDF, driver: "nvme" }], {
      failing: { at: 1, error: new StillWaiting(null, 30) },
    });
    await assert.rejects(carryOut(planBind(it.survey, BDF).steps, it.survey, it.hands), {
      code: "ERR_BUSY",
      message: /: the write was given up after 30 s: .*; 0000:01:00\.0 is with nvme as before$/,
    });
    assert.equal(
      readFileSync(join(deviceHome(it.survey.roots.sys, BDF), "driver_override"), "utf8"),
      "(null)\n",
    );
  });

  it("put back the whole group when one of it fails", async (test) => {
    const it = bed(
      test,
      [
        { bdf: BDF, driver: "nvidia" },
        { bdf: OTHER, driver: "snd_hda_intel" },
      ],
      { failing: { at: 4, error: new SystemCallError("write", constants.errno.EIO) } },
    );
    await assert.rejects(carryOut(planBind(it.survey, BDF, { group: true }).steps, it.survey, it.hands), {
      message: `Cannot bind ${OTHER}: writing "${OTHER}" to ${it.survey.roots.sys}/bus/pci/drivers/snd_hda_intel/unbind: i/o error (EIO); ${OTHER} is with snd_hda_intel as before; ${BDF} is with nvidia as before`,
    });
    assert.deepEqual(driversOf(it, BDF, OTHER), ["nvidia", "snd_hda_intel"]);
  });

  it("say so where a device cannot be given back", async (test) => {
    const it = bed(test, [{ bdf: BDF, driver: "nvme" }], { refuses: "vfio-pci" });
    const failing: Hands = {
      ...it.hands,
      write: async (path, value) => {
        if (value === "nvme") throw new SystemCallError("write", constants.errno.EIO);
        await it.hands.write(path, value);
        // The driver that the kernel finds by itself does not take it either.
        if (path.endsWith("drivers_probe")) {
          rmSync(join(deviceHome(it.survey.roots.sys, BDF), "driver"), { force: true });
        }
      },
    };
    await assert.rejects(carryOut(planBind(it.survey, BDF).steps, it.survey, failing), {
      message: /; 0000:01:00\.0 could not be given back to nvme: it has no driver now$/,
    });
  });

  it("put back what was begun when asked to stop", async (test) => {
    const it = bed(test, [{ bdf: BDF, driver: "nvme" }]);
    const stop = (): boolean => it.writes.length === 2;
    await assert.rejects(carryOut(planBind(it.survey, BDF).steps, it.survey, it.hands, { stop }), {
      message: "Cannot bind 0000:01:00.0: it was interrupted; 0000:01:00.0 is with nvme as before",
    });
    assert.deepEqual(driversOf(it, BDF), ["nvme"]);
  });

  it("name who holds the device when the kernel lets a write wait", async (test) => {
    const it = bed(test, [{ bdf: BDF, vfioDevice: "vfio0" }], {
      failing: { at: 1, error: new StillWaiting(4711, 30) },
    });
    const { proc } = it.survey.roots;
    const { steps } = planUnbind(it.survey, BDF);
    // It has come after the look.
    mkdirSync(join(proc, "41/fd"), { recursive: true });
    symlinkSync("/dev/vfio/devices/vfio0", join(proc, "41/fd/9"));
    writeFileSync(join(proc, "41/comm"), "qemu\n");
    await assert.rejects(carryOut(steps, it.survey, it.hands), {
      code: "ERR_BUSY",
      message:
        "Cannot unbind 0000:01:00.0: the kernel still waits after 30 s: process 41 (qemu) holds it open; process 4711 stays in the kernel until that ends, and `hugebar unbind 0000:01:00.0` finishes it then",
    });
  });
});

describe("planUnbind and carryOut", () => {
  it("give a device back to the driver that the kernel finds", async (test) => {
    const { survey, hands, writes } = bed(test, [{ bdf: BDF, vfioDevice: "vfio0" }]);
    const { steps } = planUnbind(survey, BDF);
    assert.deepEqual(await carryOut(steps, survey, hands), [{ bdf: BDF, from: "vfio-pci", to: "nvme" }]);
    assert.deepEqual(writes, [
      `bus/pci/devices/${BDF}/driver_override = "\\n"`,
      `bus/pci/drivers/vfio-pci/unbind = "${BDF}"`,
      `bus/pci/drivers_probe = "${BDF}"`,
    ]);
    assert.deepEqual(planUnbind(survey, BDF).steps, []);
  });

  it("refuse a device that a process has open, for the kernel would wait for it", (test) => {
    const { survey } = bed(test, [{ bdf: BDF, vfioDevice: "vfio0" }]);
    mkdirSync(join(survey.roots.proc, "41/fd"), { recursive: true });
    symlinkSync("/dev/vfio/devices/vfio0", join(survey.roots.proc, "41/fd/9"));
    assert.throws(() => planUnbind(survey, BDF), {
      code: "ERR_BUSY",
      message:
        "Cannot unbind 0000:01:00.0: process 41 holds it open; end that first, or wait for it with --force",
    });
    const { steps, overridden } = planUnbind(survey, BDF, { force: true });
    assert.equal(steps.length, 1);
    assert.deepEqual(overridden, ["0000:01:00.0: process 41 holds it open"]);
  });

  it("know no device that there is not", (test) => {
    const { survey } = bed(test, []);
    assert.throws(() => planUnbind(survey, BDF), { code: "ERR_NO_DEVICE", exitCode: 3 });
  });
});
