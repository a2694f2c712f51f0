import assert from "node:assert/strict";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { deviceUses, vfioHolders, type MachineRoots } from "./device-uses.ts";
import { deviceHome, recordMachine } from "./machine.fixture.ts";

const NVME = "0000:01:00.0";
const NET = "0000:02:00.0";

function machine(test: TestContext): MachineRoots {
  const sys = recordMachine(test, [
    { bdf: NVME, driver: "nvme" },
    { bdf: NET, driver: "e1000e" },
  ]);
  const proc = join(sys, "proc");
  mkdirSync(join(proc, "1"), { recursive: true });
  writeFileSync(join(proc, "1/mountinfo"), "");
  return { sys, proc };
}

function addDisk({ sys }: MachineRoots, home: string, name: string, number: string): void {
  const folder = join(sys, home, name);
  mkdirSync(join(folder, "holders"), { recursive: true });
  writeFileSync(join(folder, "dev"), `${number}\n`);
  mkdirSync(join(sys, "class/block"), { recursive: true });
  symlinkSync(`../../${home}/${name}`, join(sys, "class/block", name));
}

function addInterface({ sys }: MachineRoots, name: string, flags: string): void {
  const folder = join(deviceHome(sys, NET), "net", name);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "flags"), `${flags}\n`);
  mkdirSync(join(sys, "class/net"), { recursive: true });
  symlinkSync(`../../devices/pci0000:00/${NET}/net/${name}`, join(sys, "class/net", name));
}

describe("deviceUses", () => {
  it("finds mounted partitions, and what is built on them", (test) => {
    const roots = machine(test);
    const home = `devices/pci0000:00/${NVME}/nvme/nvme0`;
    addDisk(roots, home, "nvme0n1", "259:0");
    addDisk(roots, `${home}/nvme0n1`, "nvme0n1p1", "259:1");
    addDisk(roots, `${home}/nvme0n1`, "nvme0n1p2", "259:2");
    addDisk(roots, "devices/virtual/block", "dm-0", "253:0");
    writeFileSync(join(roots.sys, "class/block/nvme0n1p2/holders/dm-0"), "");
    writeFileSync(
      join(roots.proc, "1/mountinfo"),
      [
        "22 1 253:0 / / rw,relatime shared:1 - ext4 /dev/mapper/root rw",
        "23 22 259:1 / /boot rw,relatime shared:2 - vfat /dev/nvme0n1p1 rw",
        "24 22 0:31 / /srv rw,relatime shared:3 - btrfs /dev/nvme0n1 rw",
        "25 22 8:1 / /mnt rw,relatime shared:4 - ext4 /dev/sda1 rw",
      ].join("\n"),
    );
    writeFileSync(
      join(roots.proc, "swaps"),
      "Filename\tType\tSize\tUsed\tPriority\n/dev/nvme0n1p1 partition 1 0 -2\n",
    );
    assert.deepEqual(deviceUses(roots, NVME), [
      "/dev/nvme0n1 is mounted on /srv",
      "/dev/nvme0n1p1 is mounted on /boot",
      "/dev/nvme0n1p1 is swap space",
      "/dev/dm-0 is mounted on /",
    ]);
    assert.deepEqual(deviceUses(roots, NET), []);
  });

  it("finds network interfaces that are up", (test) => {
    const roots = machine(test);
    addInterface(roots, "eth0", "0x1003");
    addInterface(roots, "eth1", "0x1002");
    assert.deepEqual(deviceUses(roots, NET), ["network interface eth0 is up"]);
    assert.deepEqual(deviceUses(roots, NVME), []);
  });
});

describe("vfioHolders", () => {
  it("finds the processes with the device's group or cdev open", (test) => {
    const sys = recordMachine(test, [{ bdf: NVME, vfioDevice: "vfio3", group: 12 }]);
    const proc = join(sys, "proc");
    for (const [pid, target] of [
      ["41", "/dev/vfio/12"],
      ["42", "/dev/vfio/devices/vfio3"],
      ["43", "/dev/vfio/13"],
      ["self", "/dev/vfio/12"],
    ] as const) {
      mkdirSync(join(proc, pid, "fd"), { recursive: true });
      symlinkSync(target, join(proc, pid, "fd/9"));
    }
    assert.deepEqual(vfioHolders({ sys, proc }, NVME), [41, 42]);
  });
});
