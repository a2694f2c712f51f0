import assert from "node:assert/strict";
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { basename, join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { linux } from "../system/libc.ts";
import { SystemCallError, type System } from "../system/system.ts";
import { planBind, planUnbind } from "./bind-plan.ts";
import { carryOut } from "./bind.ts";
import type { MachineRoots } from "./device-uses.ts";
import { deviceHome, recordMachine, type MachineDevice } from "./machine.fixture.ts";

const BDF = "0000:01:00.0";

interface Bed {
  readonly roots: MachineRoots;
  readonly system: System;
  /** `PATH below /sys = VALUE` of every write. */
  readonly writes: string[];
}

/**
 * A recorded machine whose sysfs does what the kernel's would: `unbind` takes the driver away, `drivers_probe` finds
 * one, `driver_override` decides which.
 */
function bed(
  test: TestContext,
  devices: readonly MachineDevice[],
  options: { refuses?: string; failing?: { at: number; errno: number } } = {},
): Bed {
  const sys = recordMachine(test, devices);
  const files = new Map<number, string>();
  const writes: string[] = [];
  const overrides = new Map<string, string>();
  let attempts = 0;
  const natives = new Map(
    devices.map(({ bdf, driver = "vfio-pci" }) => [bdf, driver === "vfio-pci" ? "nvme" : driver]),
  );

  const setDriver = (bdf: string, driver: string | null): void => {
    const home = deviceHome(sys, bdf);
    rmSync(join(home, "driver"), { force: true });
    rmSync(join(home, "vfio-dev"), { recursive: true, force: true });
    if (driver === null) return;
    symlinkSync(`../../../bus/pci/drivers/${driver}`, join(home, "driver"));
    if (driver === "vfio-pci") mkdirSync(join(home, "vfio-dev/vfio0"), { recursive: true });
  };
  const wrote = (path: string, value: string): void => {
    switch (basename(path)) {
      case "driver_override":
        overrides.set(basename(join(path, "..")), value.trim());
        return;
      case "unbind":
        setDriver(value, null);
        return;
      case "drivers_probe": {
        const override = overrides.get(value) ?? "";
        const wanted = override === "" ? (natives.get(value) ?? null) : override;
        setDriver(value, wanted === options.refuses ? null : wanted);
      }
    }
  };
  const system: System = {
    ...linux,
    open(path) {
      const fd = 100 + files.size;
      files.set(fd, path);
      return fd;
    },
    write(fd, source) {
      attempts += 1;
      if (attempts - 1 === options.failing?.at) throw new SystemCallError("write", options.failing.errno);
      const path = files.get(fd) ?? assert.fail("write to a descriptor that is not open");
      const value = Buffer.from(source).toString();
      writes.push(`${path.slice(sys.length + 1)} = ${JSON.stringify(value)}`);
      wrote(path, value);
      return source.length;
    },
    close: (fd) => void files.delete(fd),
  };
  return { roots: { sys, proc: join(sys, "proc") }, system, writes };
}

describe("planBind and carryOut", () => {
  it("hand a device over: override, unbind, probe", (test) => {
    const { roots, system, writes } = bed(test, [{ bdf: BDF, driver: "nvme" }]);
    const steps = planBind(roots, BDF);
    assert.deepEqual(carryOut(steps, roots, system), [{ bdf: BDF, from: "nvme", to: "vfio-pci" }]);
    assert.deepEqual(writes, [
      `bus/pci/devices/${BDF}/driver_override = "vfio-pci"`,
      `bus/pci/drivers/nvme/unbind = "${BDF}"`,
      `bus/pci/drivers_probe = "${BDF}"`,
    ]);
    assert.deepEqual(planBind(roots, BDF), []);
  });

  it("need not unbind a device without a driver", (test) => {
    const { roots, system } = bed(test, [{ bdf: BDF, driver: null }]);
    assert.deepEqual(carryOut(planBind(roots, BDF), roots, system), [
      { bdf: BDF, from: null, to: "vfio-pci" },
    ]);
  });

  it("take the whole group but its bridges, the device asked for first", (test) => {
    const { roots } = bed(test, [
      { bdf: "0000:00:1c.0", driver: "pcieport", class: 0x060400 },
      { bdf: "0000:00:00.0", driver: null, class: 0x060000 },
      { bdf: "0000:01:00.1", driver: "lpc_ich", class: 0x060100 },
      { bdf: BDF, driver: "nvidia" },
      { bdf: "0000:01:00.2" },
      { bdf: "0000:02:00.0", driver: "nvme", group: 8 },
    ]);
    assert.deepEqual(
      planBind(roots, BDF, { group: true }).map(({ bdf }) => bdf),
      [BDF, "0000:01:00.1"],
    );
  });

  it("refuse a device in use unless forced", (test) => {
    const { roots } = bed(test, [{ bdf: BDF, driver: "e1000e" }]);
    mkdirSync(join(deviceHome(roots.sys, BDF), "net/eth0"), { recursive: true });
    writeFileSync(join(deviceHome(roots.sys, BDF), "net/eth0/flags"), "0x1003\n");
    mkdirSync(join(roots.sys, "class/net"), { recursive: true });
    symlinkSync(`../../devices/pci0000:00/${BDF}/net/eth0`, join(roots.sys, "class/net/eth0"));
    assert.throws(() => planBind(roots, BDF), {
      code: "ERR_BUSY",
      exitCode: 5,
      message:
        "Cannot bind 0000:01:00.0: it is in use: network interface eth0 is up; --force takes it away all the same",
    });
    assert.equal(planBind(roots, BDF, { force: true }).length, 1);
  });

  it("refuse a device behind no IOMMU unless forced", (test) => {
    const { roots } = bed(test, [{ bdf: BDF, driver: "e1000e", group: null }]);
    assert.throws(() => planBind(roots, BDF), {
      code: "ERR_NOT_SUPPORTED",
      message: /^Cannot bind 0000:01:00\.0: no IOMMU stands before it; /,
    });
    assert.equal(planBind(roots, BDF, { force: true }).length, 1);
  });

  it("need the vfio-pci driver", (test) => {
    const { roots, system, writes } = bed(test, [{ bdf: BDF, driver: "nvme" }]);
    rmSync(join(roots.sys, "bus/pci/drivers/vfio-pci"), { recursive: true });
    assert.throws(() => carryOut(planBind(roots, BDF), roots, system), {
      code: "ERR_NOT_SUPPORTED",
      message:
        "Cannot bind 0000:01:00.0: the kernel has no driver vfio-pci; load it with `modprobe vfio-pci`",
    });
    assert.deepEqual(writes, []);
  });

  it("give a device back that vfio-pci does not take", (test) => {
    const { roots, system } = bed(test, [{ bdf: BDF, driver: "nvme" }], { refuses: "vfio-pci" });
    assert.throws(() => carryOut(planBind(roots, BDF), roots, system), {
      code: "ERR_SYSTEM",
      message: "Cannot bind 0000:01:00.0: no driver took it instead of vfio-pci; the kernel's log says why",
    });
    assert.deepEqual(
      planBind(roots, BDF).map(({ from }) => from),
      ["nvme"],
    );
  });

  it("leave the device with its driver, whichever write fails", (test) => {
    for (const at of [0, 1, 2]) {
      for (const [errno, code] of [
        [constants.errno.EACCES, "ERR_PERMISSION"],
        [constants.errno.EINVAL, "ERR_SYSTEM"],
      ] as const) {
        const { roots, system } = bed(test, [{ bdf: BDF, driver: "nvme" }], { failing: { at, errno } });
        assert.throws(() => carryOut(planBind(roots, BDF), roots, system), { code });
        assert.deepEqual(
          planBind(roots, BDF).map(({ from }) => from),
          ["nvme"],
        );
      }
    }
  });
});

describe("planUnbind and carryOut", () => {
  it("give a device back to the driver that the kernel finds", (test) => {
    const { roots, system, writes } = bed(test, [{ bdf: BDF, vfioDevice: "vfio0" }]);
    const steps = planUnbind(roots, BDF);
    assert.deepEqual(carryOut(steps, roots, system), [{ bdf: BDF, from: "vfio-pci", to: "nvme" }]);
    assert.deepEqual(writes, [
      `bus/pci/devices/${BDF}/driver_override = "\\n"`,
      `bus/pci/drivers/vfio-pci/unbind = "${BDF}"`,
      `bus/pci/drivers_probe = "${BDF}"`,
    ]);
    assert.deepEqual(planUnbind(roots, BDF), []);
  });

  it("refuse a device that a process has open, for the kernel would wait for it", (test) => {
    const { roots } = bed(test, [{ bdf: BDF, vfioDevice: "vfio0" }]);
    mkdirSync(join(roots.proc, "41/fd"), { recursive: true });
    symlinkSync("/dev/vfio/devices/vfio0", join(roots.proc, "41/fd/9"));
    assert.throws(() => planUnbind(roots, BDF), {
      code: "ERR_BUSY",
      message:
        "Cannot unbind 0000:01:00.0: process 41 holds it open; end that first, or wait for it with --force",
    });
    assert.equal(planUnbind(roots, BDF, { force: true }).length, 1);
  });

  it("know no device that there is not", (test) => {
    const { roots } = bed(test, []);
    assert.throws(() => planUnbind(roots, BDF), { code: "ERR_NO_DEVICE", exitCode: 3 });
  });
});
