/** Functions behind ports and bridges, and VFs: extended capabilities, VF tokens, hot reset. */

import assert from "node:assert/strict";
import { spawnSync, type SpawnSyncReturns } from "node:child_process";
import { existsSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { arch } from "node:os";
import { basename, join, resolve } from "node:path";
import { before, describe, it } from "node:test";

import { openContainer, openDevice } from "../../../src/index.ts";
import { apis } from "./open.ts";
import { bindTo, deviceFolder, readAttribute } from "./pci.ts";

/** By their IDs: the numbers of buses are the kernel's. */
const [igb = "no igb"] = functionsOf("0x10c9");
/**
 * Two functions on one conventional bus, and so in one IOMMU group. Linux's driver of the SMMU has no such functions, whose
 * requests bear the bridge's name ("Aliasing StreamID unsupported"): none on arm64.
 */
const pair = functionsOf("0x100e");
/** A register of an e1000 that keeps what is written and is 0 after a reset: where a queue's descriptors are (RDBAL). */
const QUEUE_BASE = 0x2800;

/** Capability IDs of pci_regs.h. */
const PCI_EXT_CAP_ID_ERR = 0x01;
const PCI_EXT_CAP_ID_SRIOV = 0x10;

const TOKEN = "14a63f20-8599-42ea-8e07-1f1d0c1e2f30";
const OTHER_TOKEN = "24a63f20-8599-42ea-8e07-1f1d0c1e2f31";

function functionsOf(id: string): string[] {
  const all = readdirSync("/sys/bus/pci/devices").sort();
  return all.filter((bdf) => readAttribute(bdf, "device") === id);
}

before(() => {
  for (const bdf of [igb, ...pair]) bindTo(bdf);
});

for (const api of apis) {
  describe(`a function behind a port by ${api}`, () => {
    it("has the extended capabilities that sysfs shows", (t) => {
      const device = openDevice(igb, { api });
      t.after(() => device.close());
      const { config } = device;
      const found = config.extendedCapabilities;
      // The next one's offset is in the upper 12 bits: PCI Express, 7.6.
      const bytes = readFileSync(join(deviceFolder(igb), "config"));
      const listed = [];
      for (let at = 0x100; at !== 0; at = bytes.readUInt32LE(at) >>> 20) {
        const header = bytes.readUInt32LE(at);
        listed.push({ id: header & 0xffff, version: (header >>> 16) & 0xf, offset: at });
      }
      t.diagnostic(JSON.stringify(found));
      assert.ok(listed.length > 1);
      // Some the kernel hides, SR-IOV's among them: it gives those as an ID of 0 (vfio_ecap_init).
      const shown = found.filter(({ id }) => id !== 0);
      assert.ok(shown.some(({ id }) => id === PCI_EXT_CAP_ID_ERR));
      assert.ok(listed.some(({ id }) => id === PCI_EXT_CAP_ID_SRIOV));
      for (const { id, version, offset } of shown)
        assert.ok(
          listed.some((each) => each.id === id && each.version === version && each.offset === offset),
          `${id}`,
        );
    });

    it("tells of errors", async (t) => {
      const device = openDevice(igb, { api });
      t.after(() => device.close());
      const errors = device.interrupts("err");
      assert.equal(errors.count, 1);
      const events = errors.events(0);
      // By the eventfd that vfio_pci_core_aer_err_detected signals.
      errors.trigger(0);
      assert.deepEqual(await events.next(), { done: false, value: 1 });
      device.close();
      assert.deepEqual(await events.next(), { done: true, value: undefined });
    });

    if (!existsSync(join(deviceFolder(igb), "sriov_numvfs"))) return;
    it("and its VFs open with the token of the other side alone", (t) => {
      // Written to before the function is bound: vfio-pci asks then (vfio_pci_vf_init).
      writeFileSync("/sys/module/vfio_pci/parameters/enable_sriov", "Y");
      bindTo(igb);
      const function0 = openDevice(igb, { api, vfToken: TOKEN });
      t.after(() => function0.close());
      writeFileSync(join(deviceFolder(igb), "sriov_numvfs"), "1");
      t.after(() => {
        function0.close();
        writeFileSync(join(deviceFolder(igb), "sriov_numvfs"), "0");
      });
      const vf = basename(resolve(deviceFolder(igb), readlinkSync(join(deviceFolder(igb), "virtfn0"))));
      bindTo(vf);
      for (const vfToken of [undefined, OTHER_TOKEN]) {
        assert.throws(
          () => openDevice(vf, { api, ...(vfToken === undefined ? {} : { vfToken }) }).close(),
          (error: unknown) => {
            t.diagnostic(String(error));
            return error instanceof Error && "code" in error && error.code === "ERR_PERMISSION";
          },
        );
      }
      const map = (token: string): SpawnSyncReturns<string> =>
        spawnSync(
          process.execPath,
          ["src/cli/main.ts", "map", vf, "--region", "0", "--api", api, "--vf-token", token, "--json"],
          { encoding: "utf8" },
        );
      assert.match(map(OTHER_TOKEN).stderr, /the vfToken \(--vf-token\) is not the one/);
      assert.equal(map(TOKEN).status, 0);
      const device = openDevice(vf, { api, vfToken: TOKEN });
      t.after(() => device.close());
      assert.equal(`0x${device.config.vendor.toString(16)}`, readAttribute(vf, "vendor"));
      device.close();
    });
  });
}

for (const api of arch() === "arm64" ? [] : apis) {
  describe(`functions on one bus by ${api}`, () => {
    it("are reset hot together, and their mappings reach memory again", (t) => {
      const [first = "", second = ""] = pair;
      const container = openContainer(first, { api });
      t.after(() => container.close());
      const devices = [first, second].map((bdf) => container.openDevice(bdf, { enableMemory: true }));
      const bars = devices.map((device) => device.region(0).map());
      for (const bar of bars) {
        bar.write32(QUEUE_BASE, 0x1234_5680);
        assert.equal(bar.read32(QUEUE_BASE), 0x1234_5680);
      }
      for (const device of devices) {
        const affected = device.hotResetDevices();
        assert.deepEqual(affected.map(({ name }) => name).sort(), pair);
        assert.ok(affected.every(({ owned }) => owned));
      }
      devices[0]?.hotReset();
      for (const bar of bars) {
        assert.equal(bar.read32(QUEUE_BASE), 0);
        bar.write32(QUEUE_BASE, 0x80);
        assert.equal(bar.read32(QUEUE_BASE), 0x80);
      }
    });
  });
}
