/** `hugebar bind` where a device is in use that nobody has mounted, opened or switched on. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { globSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import { before, describe, it } from "node:test";

import { assertRefused, at, diskOf, hold, hugebar, run, tool, waitFor } from "./binding.ts";

const [journal, served, files] = [at(0x02), at(0x03), at(0x04)];
const [share, watchdog, keyboard] = [at(0x05), at(0x06), at(0x07)];
const CONFIG = "/sys/kernel/config";

before(() => {
  for (const module of [
    ["nvme", "virtio_pci", "virtio_blk", "ext4", "crc32c_generic", "crc32c_cryptoapi"],
    ["loop", "nvmet", "target_core_mod", "target_core_file", "target_core_iblock"],
    ["9p", "9pnet_virtio", "i6300esb", "xhci_pci", "usbhid", "hid_generic"],
  ].flat()) {
    spawnSync("modprobe", [module]);
  }
  run("mount", "-t", "configfs", "none", CONFIG);
});

/** Nothing is left of what was tested. */
function assertFree(bdf: string): void {
  const { status, stderr } = hugebar("bind", bdf, "--dry-run");
  assert.deepEqual([status, stderr], [0, ""]);
}

describe("bind refuses", () => {
  it("the journal of a file system that lies on another disk", (t) => {
    const disk = diskOf(journal);
    tool("mke2fs", "-q", "-F", "-O", "journal_dev", disk);
    tool("mke2fs", "-q", "-F", "-t", "ext4", "-J", `device=${disk}`, diskOf(files));
    mkdirSync("/mnt/journal", { recursive: true });
    run("mount", "-t", "ext4", diskOf(files), "/mnt/journal");
    t.after(() => {
      run("umount", "/mnt/journal");
      assertFree(journal);
    });
    assertRefused(journal, new RegExp(`${disk} is the journal of a file system on another disk`));
  });

  it("a disk below a loop device, which does not open it exclusively", (t) => {
    const disk = diskOf(served);
    run("losetup", "/dev/loop3", disk);
    t.after(() => {
      run("losetup", "-d", "/dev/loop3");
      assertFree(served);
    });
    assertRefused(served, new RegExp(`in use: /dev/loop3 is built on ${disk}\\. --force`));
  });

  it("a disk that nvmet serves, and the controller that it passes through", (t) => {
    const disk = diskOf(served);
    const subsystem = `${CONFIG}/nvmet/subsystems/disk`;
    const namespace = `${subsystem}/namespaces/1`;
    mkdirSync(namespace, { recursive: true });
    writeFileSync(`${namespace}/device_path`, disk);
    writeFileSync(`${namespace}/enable`, "1");
    assertRefused(served, new RegExp(`in use: ${disk} is exported by nvmet \\(disk\\)\\. --force`));
    writeFileSync(`${namespace}/enable`, "0");
    rmdirSync(namespace);
    const controller = disk.replace(/n1$/, "");
    writeFileSync(`${subsystem}/passthru/device_path`, controller);
    writeFileSync(`${subsystem}/passthru/enable`, "1");
    t.after(() => {
      writeFileSync(`${subsystem}/passthru/enable`, "0");
      rmdirSync(subsystem);
      assertFree(served);
    });
    assertRefused(served, new RegExp(`${controller} is exported by nvmet \\(disk\\)`));
  });

  for (const { backend, control } of [
    { backend: "fileio_0", control: (disk: string) => `fd_dev_name=${disk},fd_dev_size=${256 * 2 ** 20}` },
    { backend: "iblock_0", control: (disk: string) => `udev_path=${disk}` },
  ]) {
    it(`a disk that LIO has as ${backend}, though nobody wrote its name to udev_path`, (t) => {
      const disk = diskOf(served);
      const folder = `${CONFIG}/target/core/${backend}/disk`;
      mkdirSync(folder, { recursive: true });
      t.after(() => {
        rmdirSync(folder);
        assertFree(served);
      });
      writeFileSync(`${folder}/control`, control(disk));
      writeFileSync(`${folder}/enable`, "1");
      t.diagnostic(readFileSync(`${folder}/info`, "utf8"));
      assert.equal(readFileSync(`${folder}/udev_path`, "utf8").trim(), "");
      assertRefused(served, new RegExp(`${disk} is exported by LIO \\(${backend}/disk\\)`));
    });
  }

  it("a share of the host's that is mounted", (t) => {
    assertFree(share);
    mkdirSync("/mnt/share", { recursive: true });
    run("mount", "-t", "9p", "-o", "trans=virtio", "share", "/mnt/share");
    t.after(() => {
      run("umount", "/mnt/share");
      assertFree(share);
    });
    assertRefused(share, /in use: 9p share share is mounted on \/mnt\/share\. --force/);
  });

  it("a watchdog that runs, and names who feeds it", async (t) => {
    assertFree(watchdog);
    const holder = await hold(t, () => true, "sh", "-c", "exec sleep 1000 < /dev/watchdog");
    await waitFor(() => readFileSync(`/proc/${holder.pid}/comm`, "utf8") === "sleep\n");
    assertRefused(
      watchdog,
      /watchdog watchdog0 runs/,
      new RegExp(`process ${holder.pid} \\(sleep, of root\\) has /dev/watchdog open`),
    );
    holder.kill("SIGKILL");
    await once(holder, "exit");
    assertRefused(watchdog, /in use: watchdog watchdog0 runs\. --force/);
    // The letter that stops it when it is closed.
    writeFileSync("/dev/watchdog", "V");
    assertFree(watchdog);
  });

  it("a USB controller with a keyboard of the text console", async (t) => {
    const inputs = (): string[] => globSync(`/sys/bus/pci/devices/${keyboard}/usb*/**/input/input*`);
    await waitFor(() => inputs().length > 0);
    t.diagnostic(
      inputs()
        .map((path) => basename(path))
        .join(" "),
    );
    assertRefused(keyboard, /a keyboard of the text console is on it \(QEMU QEMU USB Keyboard\)/);
  });
});
