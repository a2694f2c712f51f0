/** `hugebar bind` where real disks and networks are in use, and where one is free. */

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  existsSync,
  globSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { basename, join } from "node:path";
import { before, describe, it } from "node:test";

import { assertRefused, at, diskOf, hold, hugebar, run, tool, waitFor } from "./binding.ts";
import { driverOf, iommuGroupOf } from "./pci.ts";

const parted = at(0x02);
const volumes = at(0x03);
const mirror = [at(0x04), at(0x05)] as const;
const both = [at(0x06), at(0x07)] as const;
const multipath = at(0x08);
const free = at(0x09);
const raw = at(0x0a);
const network = at(0x0b);
const physical = "0000:01:00.0";
const testdev = at(0x10);

before(() => {
  for (const module of ["crc32c_generic", "crc32c_cryptoapi"]) spawnSync("modprobe", [module]);
  for (const module of [
    "nvme",
    "virtio_pci",
    "virtio_blk",
    "virtio_net",
    "igb",
    "ext4",
    "btrfs",
    "dm_mod",
    "raid1",
  ]) {
    spawnSync("modprobe", [module]);
  }
});

describe("bind refuses", () => {
  it("a disk with mounted partitions and swap", async (t) => {
    const disk = diskOf(parted);
    writePartitions(disk);
    await waitFor(() => existsSync(`${disk}p2`));
    tool("mke2fs", "-q", "-t", "ext4", `${disk}p1`);
    mkdirSync("/mnt/ext4", { recursive: true });
    run("mount", "-t", "ext4", `${disk}p1`, "/mnt/ext4");
    t.after(() => run("umount", "/mnt/ext4"));
    run("mkswap", `${disk}p2`);
    run("swapon", `${disk}p2`);
    t.after(() => run("swapoff", `${disk}p2`));
    assertRefused(
      parted,
      new RegExp(`${disk}p1 is mounted on /mnt/ext4`),
      new RegExp(`${disk}p2 is swap space`),
    );
    // What is mounted needs no second word.
    const { status, stderr } = hugebar("bind", parted, "--dry-run");
    assert.equal(status, 5);
    assert.doesNotMatch(stderr, /exclusive open/);
  });

  it("a disk with an active volume that nobody has mounted", (t) => {
    const disk = diskOf(volumes);
    const lvm = (...words: readonly string[]): string =>
      tool(
        "lvm",
        ...words,
        "--config",
        "activation{udev_sync=0 udev_rules=0} devices{use_devicesfile=0 obtain_device_list_from_udev=0}",
      );
    lvm("pvcreate", "-q", "-y", disk);
    lvm("vgcreate", "-q", "group", disk);
    lvm("lvcreate", "-q", "-y", "-W", "n", "-L", "64M", "-n", "volume", "group");
    t.after(() => lvm("vgchange", "-q", "-a", "n", "group"));
    assertRefused(volumes, new RegExp(`/dev/dm-0 \\(group-volume\\) is built on ${disk}`));
  });

  it("either half of a mirror, on NVMe and on virtio", (t) => {
    const disks = mirror.map(diskOf);
    tool(
      "mdadm",
      "--create",
      "/dev/md7",
      "--run",
      "--level=1",
      "--raid-devices=2",
      "--assume-clean",
      "--metadata=1.2",
      ...disks,
    );
    t.after(() => tool("mdadm", "--stop", "/dev/md7"));
    mirror.forEach((bdf, index) => {
      assertRefused(bdf, new RegExp(`/dev/md7.* is built on ${disks[index]}`));
    });
  });

  it("either half of a mounted btrfs, on NVMe and on virtio", (t) => {
    const disks = both.map(diskOf);
    tool("mkfs.btrfs", "-q", "-f", "-d", "single", "-m", "single", ...disks);
    mkdirSync("/mnt/btrfs", { recursive: true });
    run(
      "mount",
      "-t",
      "btrfs",
      "-o",
      disks.map((disk) => `device=${disk}`).join(","),
      disks[0] ?? "",
      "/mnt/btrfs",
    );
    t.after(() => run("umount", "/mnt/btrfs"));
    both.forEach((bdf, index) => {
      assertRefused(
        bdf,
        new RegExp(`${disks[index]} is one of the disks of btrfs [0-9a-f-]+, mounted on /mnt/btrfs`),
      );
    });
  });

  it("a mounted disk below an NVMe subsystem", (t) => {
    const disk = diskOf(multipath);
    assert.ok(existsSync(`/sys/bus/pci/devices/${multipath}`));
    tool("mke2fs", "-q", "-t", "ext4", disk);
    mkdirSync("/mnt/multipath", { recursive: true });
    run("mount", "-t", "ext4", disk, "/mnt/multipath");
    t.after(() => run("umount", "/mnt/multipath"));
    t.diagnostic(`the disk is at ${run("readlink", "-f", `/sys/class/block/${basename(disk)}`).trim()}`);
    assertRefused(multipath, new RegExp(`${disk} is mounted on /mnt/multipath`));
  });

  it("a disk that a program has open, and one that another mount namespace has mounted", async (t) => {
    const disk = diskOf(raw);
    const holder = await hold(t, () => true, "sh", "-c", `exec sleep 1000 < ${disk}`);
    await waitFor(() => readFileSync(`/proc/${holder.pid}/comm`, "utf8") === "sleep\n");
    assertRefused(raw, new RegExp(`process ${holder.pid} \\(sleep, of root\\) has ${disk} open`));
    holder.kill("SIGKILL");
    await once(holder, "exit");
    tool("mke2fs", "-q", "-t", "ext4", disk);
    mkdirSync("/mnt/elsewhere", { recursive: true });
    const mounted = (pid: number | undefined): boolean =>
      readFileSync(`/proc/${pid}/mountinfo`, "utf8").includes("/mnt/elsewhere");
    const script = `mount -t ext4 ${disk} /mnt/elsewhere && exec sleep 1000`;
    let pid: number | undefined;
    const other = await hold(t, () => pid === undefined || mounted(pid), "unshare", "-m", "sh", "-c", script);
    pid = other.pid;
    await waitFor(() => mounted(pid));
    assert.doesNotMatch(readFileSync("/proc/self/mountinfo", "utf8"), /elsewhere/);
    assertRefused(
      raw,
      new RegExp(`${disk} is mounted on /mnt/elsewhere in the mount namespace of process ${pid}`),
    );
    other.kill("SIGKILL");
    await once(other, "exit");
  });

  it("a network card that is up, and one whose interface is in another namespace", async (t) => {
    const [name = ""] = globSync(`/sys/bus/pci/devices/${network}/virtio*/net/*`).map((path) =>
      basename(path),
    );
    run("ip", "link", "set", name, "up");
    assertRefused(network, new RegExp(`network interface ${name} is up`));
    run("ip", "link", "set", name, "down");
    const other = await hold(t, () => true, "unshare", "-n", "sleep", "1000");
    await waitFor(() => readFileSync(`/proc/${other.pid}/comm`, "utf8") === "sleep\n");
    run("ip", "link", "set", name, "netns", String(other.pid));
    assertRefused(network, new RegExp(`in another network namespace, such as that of process ${other.pid}`));
    other.kill("SIGKILL");
    await once(other, "exit");
    // The kernel gives it back when the namespace goes.
    await waitFor(() => existsSync(`/sys/class/net/${name}`));
  });

  it("a physical function with virtual functions, naming who holds one", async (t) => {
    writeFileSync(`/sys/bus/pci/devices/${physical}/sriov_numvfs`, "2");
    t.after(() => {
      writeFileSync(`/sys/bus/pci/devices/${physical}/sriov_numvfs`, "0");
    });
    const [first = "", second = ""] = readdirSync(`/sys/bus/pci/devices/${physical}`)
      .filter((entry) => entry.startsWith("virtfn"))
      .map((entry) => basename(run("readlink", `/sys/bus/pci/devices/${physical}/${entry}`).trim()));
    assert.equal(hugebar("bind", first).status, 0);
    const group = `/dev/vfio/${iommuGroupOf(first)}`;
    const holder = await hold(t, () => true, "sh", "-c", `exec sleep 1000 <> ${group}`);
    await waitFor(() => readFileSync(`/proc/${holder.pid}/comm`, "utf8") === "sleep\n");
    assertRefused(
      physical,
      new RegExp(
        `it has 2 virtual functions: ${first} \\(vfio-pci, held by process ${holder.pid} \\(sleep, of root\\)\\), ${second}`,
      ),
    );
    holder.kill("SIGKILL");
    await once(holder, "exit");
    assert.equal(hugebar("unbind", first).status, 0);
  });
});

describe("bind and unbind", () => {
  it("take and give back the disk that is free, keeping it over a reboot", async () => {
    const disk = diskOf(free);
    writeFileSync(disk, "still here");
    const rule = `/etc/udev/rules.d/05-hugebar-${free}.rules`;
    const bound = hugebar("bind", free, "--persist");
    assert.deepEqual([bound.status, bound.stdout, bound.stderr], [0, `${free}: nvme -> vfio-pci\n`, ""]);
    assert.equal(driverOf(free), "vfio-pci");
    assert.match(readFileSync(rule, "utf8"), /ATTR\{driver_override\}="vfio-pci"/);
    const unbound = hugebar("unbind", free);
    assert.deepEqual(
      [unbound.status, unbound.stdout, unbound.stderr],
      [0, `${free}: vfio-pci -> nvme\n`, ""],
    );
    assert.equal(existsSync(rule), false);
    await waitFor(() => globSync(`/sys/bus/pci/devices/${free}/nvme/nvme*/nvme*n*`).length > 0);
    assert.equal(run("head", "-c", "10", diskOf(free)), "still here");
  });

  it("take and give back a free virtio disk", () => {
    assert.equal(hugebar("bind", both[1]).status, 0);
    assert.equal(hugebar("unbind", both[1]).status, 0);
    assert.equal(driverOf(both[1]), "virtio-pci");
  });

  it("name who lets the kernel wait, and finish once he is gone", async (t) => {
    assert.equal(hugebar("bind", testdev).status, 0);
    const holder = spawn(process.execPath, [join(import.meta.dirname, "hold-device.ts"), testdev, "group"], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    t.after(() => holder.kill("SIGKILL"));
    await once(holder.stdout, "data");
    const refused = hugebar("unbind", testdev);
    assert.equal(refused.status, 5);
    const { status, stderr } = hugebar("unbind", testdev, "--force");
    assert.equal(status, 5);
    assert.match(stderr, new RegExp(`--force overrides: ${testdev}: process ${holder.pid}`));
    assert.match(
      stderr,
      new RegExp(
        `Cannot unbind ${testdev}: the kernel still waits after 30 s: process ${holder.pid} \\(.*\\) holds it open; process (\\d+) stays in the kernel`,
      ),
    );
    const [, writer = ""] = /process (\d+) stays in the kernel/.exec(stderr) ?? [];
    assert.ok(existsSync(`/proc/${writer}`));
    holder.kill("SIGKILL");
    await once(holder, "exit");
    await waitFor(() => driverOf(testdev) === null);
    assert.deepEqual(
      [hugebar("unbind", testdev).status, hugebar("bind", testdev).status, driverOf(testdev)],
      [0, 0, "vfio-pci"],
    );
    assert.equal(hugebar("unbind", testdev).status, 0);
  });
});

/** A master boot record with two partitions of 100 MiB. */
function writePartitions(disk: string): void {
  const sectors = (100 * 2 ** 20) / 512;
  const record = Buffer.alloc(512);
  for (const [index, start] of [2048, 2048 + sectors].entries()) {
    const entry = 0x1be + 16 * index;
    record.writeUInt8(0x83, entry + 4);
    record.writeUInt32LE(start, entry + 8);
    record.writeUInt32LE(sectors, entry + 12);
  }
  record.writeUInt16LE(0xaa55, 510);
  const fd = openSync(disk, "r+");
  writeSync(fd, record);
  closeSync(fd);
  run("blockdev", "--rereadpt", disk);
}
