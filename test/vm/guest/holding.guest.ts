/** Who holds a device, and what is left when nobody does: openers, binding, removal, and what stands in the way. */

import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync, type SpawnSyncReturns } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, readlinkSync, renameSync, writeFileSync } from "node:fs";
import { arch } from "node:os";
import { join } from "node:path";
import { before, describe, it, type TestContext } from "node:test";

import {
  VFIO_IRQ_SET_ACTION_TRIGGER,
  VFIO_IRQ_SET_DATA_EVENTFD,
  VFIO_PCI_REQ_IRQ_INDEX,
} from "../../../src/device/transport/vfio-abi.ts";
import { EFD_CLOEXEC, POLLIN } from "../../../src/system/constants.ts";
import { linux } from "../../../src/system/libc.ts";
import { planUnbind } from "../../../src/vfio/bind/plan.ts";
import { openVfioDevice } from "../../../src/vfio/open-device.ts";
import { surveyOf } from "../../../src/vfio/uses/machine/survey.ts";
import { kernelFacts } from "./kernel.ts";
import { apis, openDevice, openWithTransport } from "./open.ts";
import { largest } from "./paging.ts";
import { bindTo, deviceFolder, driverOf, iommuGroupOf, unbind } from "./pci.ts";

const bdf = "0000:00:10.0";
/** An edu device and an NVMe disk, in one IOMMU group. */
const pair = ["0000:00:14.0", "0000:00:14.1"] as const;
const noOne = 65_534;
/** What reads of the BAR give, behind which there is no memory: QEMU's machines differ. */
const nothing = arch() === "arm64" ? 0xffff_ffff : 0;

/** What the kernel calls the program. */
function commandOf({ pid }: ChildProcess): string {
  return readFileSync(`/proc/${pid}/comm`, "utf8").trim();
}

/** The tool, as a user runs it. */
function hugebar(words: readonly string[], options: { uid?: number } = {}): SpawnSyncReturns<string> {
  const main = join(import.meta.dirname, "../../../src/cli/main.ts");
  return spawnSync(process.execPath, [main, ...words], { encoding: "utf8", ...options });
}

/** Starts another process that holds the device, and waits until it does. */
async function hold(t: TestContext, api: string): Promise<ChildProcess> {
  const child = spawn(process.execPath, [join(import.meta.dirname, "hold-device.ts"), bdf, api], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.after(() => child.kill("SIGKILL"));
  await Promise.race([
    once(child.stdout, "data"),
    once(child, "exit").then(() => Promise.reject(new Error("the other process did not open the device"))),
  ]);
  return child;
}

/** The files of VFIO's that this process has open. */
function vfioFiles(): string[] {
  return readdirSync("/proc/self/fd").flatMap((fd) => {
    try {
      const target = readlinkSync(`/proc/self/fd/${fd}`);
      return /vfio|iommu/.test(target) ? [target] : [];
    } catch {
      return [];
    }
  });
}

before(() => {
  bindTo(bdf);
});

for (const api of apis) {
  describe(`a device held by ${api}`, () => {
    it("leaves no file and no mapping when it is closed", (t) => {
      const maps = (): string[] =>
        readFileSync("/proc/self/maps", "utf8")
          .split("\n")
          .filter((line) => /vfio/.test(line));
      const device = openDevice(t, bdf, api);
      device.region(2).map().read8(0);
      assert.notDeepEqual(vfioFiles(), []);
      assert.equal(maps().length, 1);
      device.close();
      assert.deepEqual([vfioFiles(), maps()], [[], []]);
    });

    it("is refused to a second opener, whichever way it comes", (t) => {
      for (const other of apis) {
        const device = openDevice(t, bdf, api);
        assert.throws(() => openVfioDevice(bdf, { api: other }), {
          code: "ERR_BUSY",
          exitCode: 5,
          message: `Cannot open ${bdf}: it, or another device of its IOMMU group ${iommuGroupOf(bdf)}, is open elsewhere; \`hugebar inspect\` shows by whom`,
        });
        device.close();
        openVfioDevice(bdf, { api: other }).close();
      }
    });

    it("is held by another process until that is killed", async (t) => {
      const child = await hold(t, api);
      assert.throws(() => openVfioDevice(bdf, { api }), { code: "ERR_BUSY", exitCode: 5 });
      assert.throws(() => planUnbind(surveyOf({ sys: "/sys", proc: "/proc" }, linux), bdf), {
        code: "ERR_BUSY",
        message: `Cannot unbind ${bdf}: process ${child.pid} (${commandOf(child)}, of root) holds it open; end that first, or wait for it with --force`,
      });
      child.kill("SIGKILL");
      await once(child, "exit");
      assert.equal(openDevice(t, bdf, api).region(2).map().read32(0), nothing);
    });

    it("stays until it is closed when it is removed, and is gone then", async (t) => {
      const { device, transport } = openWithTransport(t, bdf, { api });
      const mapping = device.region(2).map();
      const asked = linux.eventfd(0, EFD_CLOEXEC);
      t.after(() => linux.close(asked));
      transport.setIrqs({
        index: VFIO_PCI_REQ_IRQ_INDEX,
        flags: VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
        start: 0,
        count: 1,
        eventfds: [asked],
      });
      const removal = spawn("sh", ["-c", `echo 1 > ${deviceFolder(bdf)}/remove`], { stdio: "ignore" });
      assert.equal(linux.poll([{ fd: asked, events: POLLIN, revents: 0 }], 10_000), 1);
      assert.equal(mapping.read32(0), nothing);
      device.close();
      await once(removal, "exit");
      assert.equal(removal.exitCode, 0);
      assert.deepEqual(vfioFiles(), []);
      assert.equal(existsSync(deviceFolder(bdf)), false);
      assert.throws(() => openVfioDevice(bdf, { api }), {
        code: "ERR_NO_DEVICE",
        exitCode: 3,
        message: `Cannot open ${bdf}: there is no such PCI device; \`hugebar devices\` lists them`,
      });
      writeFileSync("/sys/bus/pci/rescan", "1");
      bindTo(bdf);
      assert.equal(openDevice(t, bdf, api).region(2).map().read32(0), nothing);
    });

    it("is refused to a user without permission", () => {
      const script = `
        import { openVfioDevice } from ${JSON.stringify(join(import.meta.dirname, "../../../src/vfio/open-device.ts"))};
        try { openVfioDevice("${bdf}", { api: "${api}" }); console.log('"opened"'); }
        catch (error) { console.log(JSON.stringify([error.code, error.exitCode, error.message])); }`;
      const words = ["--input-type=module", "--eval", script];
      const child = spawnSync(process.execPath, words, { encoding: "utf8", uid: noOne });
      assert.notEqual(child.stdout, "", JSON.stringify(child));
      const [cdev = ""] = readdirSync(join(deviceFolder(bdf), "vfio-dev"));
      const path = api === "cdev" ? `/dev/vfio/devices/${cdev}` : `/dev/vfio/${iommuGroupOf(bdf)}`;
      assert.deepEqual(JSON.parse(child.stdout), [
        "ERR_PERMISSION",
        4,
        `Cannot open ${bdf}: no permission for ${path}; run as root, or give this user the file`,
      ]);
    });

    it("is refused where a file of VFIO's is missing", (t) => {
      const file = api === "cdev" ? "/dev/iommu" : "/dev/vfio/vfio";
      renameSync(file, `${file}.away`);
      t.after(() => renameSync(`${file}.away`, file));
      assert.throws(() => openVfioDevice(bdf, { api }), {
        code: "ERR_NOT_SUPPORTED",
        exitCode: 1,
        message: new RegExp(`^Cannot open ${bdf}: there is no ${file}: the kernel has no `),
      });
      assert.deepEqual(vfioFiles(), []);
    });
  });
}

describe("hugebar map on a real BAR", () => {
  it("says which leaves the kernel will use, and verifies that it did", () => {
    const { status, stdout, stderr } = hugebar(["map", "00:10.0", "--region", "2", "--verify", "--json"]);
    assert.deepEqual([status, stderr], [0, ""]);
    const result: unknown = JSON.parse(stdout);
    assert.ok(
      typeof result === "object" && result !== null && "leaves" in result && "verification" in result,
    );
    assert.deepEqual(result.leaves, [{ size: largest, count: 2 ** 36 / largest }]);
    const { verification } = result;
    assert.ok(typeof verification === "object" && verification !== null && "verdict" in verification);
    assert.equal(verification.verdict, "agrees");
  });
});

describe("hugebar bind and unbind", () => {
  it("hand a device over and give it back", () => {
    unbind(bdf);
    writeFileSync(join(deviceFolder(bdf), "driver_override"), "\n");
    assert.throws(() => openVfioDevice(bdf), {
      code: "ERR_BUSY",
      exitCode: 5,
      message: `Cannot open ${bdf}: no driver is bound to it; hand it over with \`hugebar bind ${bdf}\``,
    });
    const bound = hugebar(["bind", "00:10.0"]);
    assert.deepEqual([bound.status, bound.stdout, bound.stderr], [0, `${bdf}: no driver -> vfio-pci\n`, ""]);
    assert.equal(driverOf(bdf), "vfio-pci");
    const unbound = hugebar(["unbind", bdf]);
    assert.deepEqual(
      [unbound.status, unbound.stdout, unbound.stderr],
      [0, `${bdf}: vfio-pci -> no driver\n`, ""],
    );
    assert.equal(driverOf(bdf), null);
    bindTo(bdf);
  });

  it("need privileges", () => {
    const { status, stderr } = hugebar(["unbind", bdf], { uid: noOne });
    assert.equal(status, 4);
    assert.match(stderr, /^hugebar: Cannot unbind 0000:00:10\.0: it cannot be told which files process/m);
    const forced = hugebar(["unbind", bdf, "--force", "--quiet"], { uid: noOne });
    assert.deepEqual(
      [forced.status, forced.stderr],
      [
        4,
        `hugebar: Cannot unbind ${bdf}: no permission to write ${deviceFolder(bdf)}/driver_override; run as root; ${bdf} is with vfio-pci as before\n`,
      ],
    );
    assert.equal(driverOf(bdf), "vfio-pci");
  });
});

describe("a group with two devices", () => {
  const [first, second] = pair;

  it("is handed over whole", () => {
    // Which group a device is in may be known only once a driver has taken it.
    for (const device of pair) bindTo(device);
    for (const device of pair) unbind(device);
    const { status, stdout, stderr } = hugebar(["bind", "--group", first]);
    assert.deepEqual([status, stderr], [0, ""]);
    assert.equal(stdout, pair.map((device) => `${device}: no driver -> vfio-pci\n`).join(""));
    assert.equal(hugebar(["unbind", "--group", first]).status, 0);
    assert.deepEqual(pair.map(driverOf), [null, null]);
  });

  // The built kernel has no driver for any of QEMU's devices.
  if (kernelFacts.testDriver) return;
  it("is not viable while another driver has one of them", () => {
    assert.equal(spawnSync("modprobe", ["nvme"]).status, 0);
    for (const device of pair) unbind(device);
    bindTo(first);
    bindTo(second, "nvme");
    assert.throws(() => openVfioDevice(first), {
      code: "ERR_BUSY",
      exitCode: 5,
      message: `Cannot open ${first}: its IOMMU group ${iommuGroupOf(first)} is not viable: ${second} is bound to nvme; hand over the whole group with \`hugebar bind --group ${first}\``,
    });
    unbind(second);
  });
});
