import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { diskUses } from "./disks.ts";
import { namedDisks } from "./named-disks.ts";
import { packNvList } from "./nvlist.fixture.ts";
import { BDF, block, HOME, mount, recorded } from "../machine/recorded-machine.fixture.ts";
import { type UsesCase } from "../uses-cases.fixture.ts";

const NVME = `${HOME}/nvme/nvme0`;
const SUBSYSTEM = "devices/virtual/nvme-subsystem/nvme-subsys0";
const VIRTUAL = "devices/virtual/block";
/** A disk with two partitions, as NVMe has them without multipath. */
const PARTED = {
  ...block(`${NVME}/nvme0n1`, "259:0"),
  ...block(`${NVME}/nvme0n1/nvme0n1p1`, "259:1"),
  ...block(`${NVME}/nvme0n1/nvme0n1p2`, "259:2"),
};

const cases: readonly UsesCase[] = [
  { name: "a disk that nobody has", sys: PARTED, proc: { "1/mountinfo": "" }, uses: [] },
  {
    name: "mounted partitions, by number and by name",
    sys: PARTED,
    proc: {
      "1/mountinfo":
        mount("259:1", "/boot", "vfat", "/dev/disk/by-uuid/0A1B") +
        mount("0:31", String.raw`/srv\040x`, "btrfs", "/dev/nvme0n1p2") +
        mount("8:1", "/mnt", "ext4", "/dev/sda1"),
    },
    uses: ["/dev/nvme0n1p1 is mounted on /boot", "/dev/nvme0n1p2 is mounted on /srv x"],
  },
  {
    name: "mounted partitions where only `mounts` was recorded",
    sys: PARTED,
    proc: { mounts: "/dev/nvme0n1p1 /boot vfat rw 0 0\n" },
    uses: ["/dev/nvme0n1p1 is mounted on /boot"],
  },
  {
    name: "many mounts, told in one phrase",
    sys: PARTED,
    proc: {
      "1/mountinfo": ["/", "/a", "/b", "/c"].map((point) => mount("259:1", point, "ext4", "x")).join(""),
    },
    uses: ["/dev/nvme0n1p1 is mounted on /, /a and 2 more"],
  },
  {
    name: "a mount in another namespace",
    sys: PARTED,
    proc: {
      "1/mountinfo": "",
      "1/ns/mnt": "-> mnt:[1]",
      "812/ns/mnt": "-> mnt:[2]",
      "812/comm": "postgres\n",
      "812/status": "Name:\tpostgres\nUid:\t26\t26\t26\t26\n",
      "812/mountinfo": mount("259:2", "/data", "xfs", "/dev/root"),
    },
    root: { "etc/passwd": "root:x:0:0::/root:/bin/sh\npostgres:x:26:26::/:/bin/sh\n" },
    uses: [
      "/dev/nvme0n1p2 is mounted on /data in the mount namespace of process 812 (postgres, of postgres)",
    ],
  },
  {
    name: "a log on the disk of a file system elsewhere",
    sys: PARTED,
    proc: { "1/mountinfo": mount("8:1", "/x", "xfs", "/dev/sda1", "rw,logdev=/dev/nvme0n1p1") },
    uses: ["/dev/nvme0n1p1 is mounted on /x"],
  },
  {
    name: "swap, and a compressed one that writes back",
    sys: { ...PARTED, ...block(`${VIRTUAL}/zram0`, "254:0", { backing_dev: "/dev/nvme0n1p2\n" }) },
    proc: { swaps: "Filename\tType\tSize\tUsed\tPriority\n/dev/nvme0n1p1 partition 1 0 -2\n" },
    uses: ["/dev/nvme0n1p1 is swap space", "/dev/zram0 is built on /dev/nvme0n1p2"],
  },
  {
    name: "multipath NVMe: the disk hangs below the subsystem",
    sys: {
      [`${NVME}/subsysnqn`]: "nqn.2014-08.org.nvmexpress:uuid:1\n",
      [`${NVME}/nvme0c0n1/hidden`]: "1\n",
      "class/nvme/nvme0": `-> ../../${NVME}`,
      [`${SUBSYSTEM}/nvme0`]: `-> ../../../pci0000:00/${BDF}/nvme/nvme0`,
      ...block(`${SUBSYSTEM}/nvme0n1`, "259:0"),
      ...block(`${SUBSYSTEM}/nvme0n1/nvme0n1p2`, "259:2"),
      ...block("devices/virtual/nvme-subsystem/nvme-subsys1/nvme1n1", "259:5"),
    },
    proc: { "1/mountinfo": mount("259:2", "/", "ext4", "/dev/root") + mount("259:5", "/b", "ext4", "x") },
    uses: ["/dev/nvme0n1p2 is mounted on /"],
  },
  {
    name: "multipath NVMe where nothing but the subsystem's name ties the two",
    sys: {
      [`${NVME}/subsysnqn`]: "nqn.1\n",
      [`${SUBSYSTEM}/subsysnqn`]: "nqn.1\n",
      ...block(`${SUBSYSTEM}/nvme3n1`, "259:0"),
    },
    proc: { "1/mountinfo": mount("259:0", "/", "xfs", "/dev/nvme3n1") },
    uses: ["/dev/nvme3n1 is mounted on /"],
  },
  {
    name: "a SAS disk, and a virtio one",
    devices: [{ bdf: BDF, driver: "mpt3sas" }],
    sys: {
      ...block(`${HOME}/host0/port-0:0/end_device-0:0/target0:0:0/0:0:0:0/block/sda`, "8:0"),
      ...block(`${HOME}/virtio1/block/vda`, "254:0"),
    },
    proc: { "1/mountinfo": mount("8:0", "/a", "ext4", "x") + mount("254:0", "/b", "ext4", "x") },
    uses: ["/dev/sda is mounted on /a", "/dev/vda is mounted on /b"],
  },
  {
    name: "LUKS on MD on two of the function's disks, LVM on that, by holders",
    sys: {
      ...block(`${HOME}/ata1/host0/target0:0:0/0:0:0:0/block/sda`, "8:0", { "holders/md127": null }),
      ...block(`${HOME}/ata2/host1/target1:0:0/1:0:0:0/block/sdb`, "8:16", { "holders/md127": null }),
      ...block(`${VIRTUAL}/md127`, "9:127", { "holders/dm-0": null }),
      ...block(`${VIRTUAL}/dm-0`, "253:0", { "dm/name": "crypt\n", "holders/dm-1": null }),
      ...block(`${VIRTUAL}/dm-1`, "253:1", { "dm/name": "vg-root\n" }),
    },
    proc: { "1/mountinfo": mount("253:1", "/", "ext4", "/dev/mapper/vg-root") },
    uses: [
      "/dev/md127 is built on /dev/sda and /dev/sdb",
      "/dev/dm-0 (crypt) is built on /dev/md127",
      "/dev/dm-1 (vg-root) is built on /dev/dm-0",
      "/dev/dm-1 (vg-root) is mounted on /",
    ],
  },
  {
    name: "an active volume that nobody has mounted, by its slaves alone",
    sys: {
      ...PARTED,
      ...block(`${VIRTUAL}/dm-3`, "253:3", { "dm/name": "vg-data\n", "slaves/nvme0n1p2": null }),
    },
    uses: ["/dev/dm-3 (vg-data) is built on /dev/nvme0n1p2"],
  },
  {
    name: "partitions of a stacked device",
    sys: {
      ...PARTED,
      ...block(`${VIRTUAL}/md0`, "9:0", { "slaves/nvme0n1p1": null }),
      ...block(`${VIRTUAL}/md0/md0p1`, "259:9"),
    },
    proc: { "1/mountinfo": mount("259:9", "/m", "ext4", "/dev/md0p1") },
    uses: ["/dev/md0 is built on /dev/nvme0n1p1", "/dev/md0p1 is mounted on /m"],
  },
  {
    name: "a loop device over a partition",
    sys: { ...PARTED, ...block(`${VIRTUAL}/loop3`, "7:3", { "loop/backing_file": "/dev/nvme0n1p1\n" }) },
    uses: ["/dev/loop3 is built on /dev/nvme0n1p1"],
  },
  {
    name: "loop devices over a volume and over an array by their names, and an old controller's disk by its",
    devices: [{ bdf: BDF, driver: "cciss" }],
    sys: {
      ...block(`${HOME}/cciss0/c0d0/block/cciss!c0d0`, "104:0"),
      ...block(`${VIRTUAL}/dm-0`, "253:0", { "dm/name": "vg-images\n", "slaves/cciss!c0d0": null }),
      ...block(`${VIRTUAL}/md127`, "9:127", { "md/array_name": "raid\n", "slaves/dm-0": null }),
      ...block(`${VIRTUAL}/loop1`, "7:1", { "loop/backing_file": "/dev/mapper/vg-images\n" }),
      ...block(`${VIRTUAL}/loop2`, "7:2", { "loop/backing_file": "/dev/md/raid\n" }),
      ...block(`${VIRTUAL}/loop3`, "7:3", { "loop/backing_file": "/dev/cciss/c0d0 (deleted)\n" }),
      ...block(`${VIRTUAL}/loop4`, "7:4", { "loop/backing_file": "/srv/chroot/dev/dm-0\n" }),
      ...block(`${VIRTUAL}/zram0`, "254:0", { backing_dev: "/dev/disk/by-id/dm-name-vg-images\n" }),
    },
    root: { "run/udev/data/b253:0": "S:disk/by-id/dm-name-vg-images\n" },
    uses: [
      "/dev/dm-0 (vg-images) is built on /dev/cciss/c0d0",
      "/dev/loop1 is built on /dev/dm-0",
      "/dev/loop2 is built on /dev/md127",
      "/dev/loop3 is built on /dev/cciss/c0d0",
      "/dev/loop4 is built on /dev/dm-0",
      "/dev/md127 (raid) is built on /dev/dm-0",
      "/dev/zram0 is built on /dev/dm-0",
    ],
  },
  {
    name: "bcache: the cache on this function, the backing disk on another",
    sys: {
      ...PARTED,
      [`${NVME}/nvme0n1/nvme0n1p1/bcache/set`]: "-> ../../../../../../../fs/bcache/U",
      ...block("devices/pci0000:00/0000:02:00.0/host0/block/sda", "8:0", {
        "bcache/cache": "-> ../../../../../../../fs/bcache/U",
      }),
      "fs/bcache/U/cache0": `-> ../../../${NVME}/nvme0n1/nvme0n1p1/bcache`,
      "fs/bcache/U/bdev0": "-> ../../../devices/pci0000:00/0000:02:00.0/host0/block/sda/bcache",
      ...block(`${VIRTUAL}/bcache0`, "252:0", {
        bcache: "-> ../../../pci0000:00/0000:02:00.0/host0/block/sda/bcache",
      }),
    },
    proc: { "1/mountinfo": mount("252:0", "/c", "ext4", "/dev/bcache0") },
    uses: [
      "/dev/bcache0 is built on /dev/nvme0n1p1",
      "/dev/bcache0 is mounted on /c",
      "/dev/nvme0n1p1 is part of a bcache",
    ],
  },
  {
    name: "DRBD's disks and metadata by its configuration, where it has no links",
    sys: { ...PARTED, ...block(`${VIRTUAL}/drbd0`, "147:0") },
    root: {
      "etc/drbd.d/r0.res":
        'resource r0 {\n  disk { resync-rate 40M; }\n  on a { disk "/dev/nvme0n1p1"; meta-disk /dev/nvme0n1p2[0]; }\n}\n',
      "etc/drbd.d/global_common.conf": "# disk /dev/nvme0n1\n",
    },
    uses: ["/dev/nvme0n1p1 belongs to DRBD (r0.res)", "/dev/nvme0n1p2 belongs to DRBD (r0.res)"],
  },
  {
    name: "no DRBD that is configured and does not run",
    sys: PARTED,
    root: { "etc/drbd.d/r0.res": "resource r0 { on a { disk /dev/nvme0n1p1; } }\n" },
    uses: [],
  },
  {
    name: "the disk of a btrfs that is mounted by its other one",
    sys: {
      ...block(`${NVME}/nvme0n1`, "259:0"),
      "fs/btrfs/0f2d/devices/nvme0n1": `-> ../../../../${NVME}/nvme0n1`,
      "fs/btrfs/0f2d/devices/nvme1n1": "-> ../../../../block/nvme1n1",
      "fs/btrfs/features": null,
    },
    proc: { "1/mountinfo": mount("0:52", "/data", "btrfs", "/dev/nvme1n1") },
    uses: ["/dev/nvme0n1 is one of the disks of btrfs 0f2d, mounted on /data"],
  },
  {
    name: "bcachefs, which names all its disks",
    sys: PARTED,
    proc: { "1/mountinfo": mount("0:52", "/b", "bcachefs", "/dev/sda:/dev/nvme0n1p1") },
    uses: ["/dev/nvme0n1p1 is mounted on /b"],
  },
  {
    name: "a disk that the kernel exports",
    sys: {
      ...PARTED,
      "kernel/config/target/core/iblock_0/disk1/udev_path": "/dev/nvme0n1p1\n",
      "kernel/config/nvmet/subsystems/nqn.x/namespaces/1/device_path": "/dev/nvme0n1p2\n",
    },
    uses: [
      "/dev/nvme0n1p1 is exported by LIO (iblock_0/disk1)",
      "/dev/nvme0n1p2 is exported by nvmet (nqn.x)",
    ],
  },
  {
    name: "a disk exported by a name of udev's",
    sys: { ...PARTED, "kernel/config/target/core/iblock_0/d/udev_path": "/dev/disk/by-id/nvme-X-part1\n" },
    root: { "run/udev/data/b259:1": "S:disk/by-id/nvme-X-part1\nE:ID_FS_TYPE=ext4\n" },
    uses: ["/dev/nvme0n1p1 is exported by LIO (iblock_0/d)"],
  },
  {
    name: "a ZFS pool's disk, by what udev has read",
    sys: PARTED,
    proc: { "1/mountinfo": mount("0:23", "/", "zfs", "rpool/ROOT") },
    root: {
      "run/udev/data/b259:1": "E:ID_FS_TYPE=vfat\n",
      "run/udev/data/b259:2": "E:ID_FS_TYPE=zfs_member\nE:ID_FS_LABEL=rpool\n",
    },
    uses: ["/dev/nvme0n1p2 belongs to ZFS pool rpool, mounted on /"],
  },
  {
    name: "no ZFS pool's disk, by what udev has read",
    sys: PARTED,
    proc: { "1/mountinfo": mount("0:23", "/", "zfs", "rpool/ROOT") },
    root: {
      "run/udev/data/b259:1": "E:ID_FS_TYPE=vfat\n",
      "run/udev/data/b259:2": "E:ID_FS_TYPE=ext4\n",
    },
    uses: [],
  },
  {
    name: "a disk that may be a ZFS pool's, which nothing tells, the pool not mounted",
    sys: PARTED,
    proc: { "1/mountinfo": "", "spl/kstat/zfs/tank/state": "ONLINE\n", "spl/kstat/zfs/arcstats": "" },
    uses: [
      "/dev/nvme0n1p1, /dev/nvme0n1p2 may be of ZFS pool tank: nothing here tells which disks a pool has",
    ],
  },
  {
    name: "a ZFS pool's disk, by zpool.cache, the pool not mounted",
    sys: PARTED,
    proc: { "1/mountinfo": "", "spl/kstat/zfs/tank/state": "ONLINE\n" },
    root: {
      "run/udev/data/b259:1": "E:ID_FS_TYPE=vfat\n",
      "etc/zfs/zpool.cache": packNvList({
        tank: { vdev_tree: { type: "root", children: [{ type: "disk", path: "/dev/nvme0n1p2" }] } },
      }),
    },
    uses: ["/dev/nvme0n1p2 belongs to ZFS pool tank"],
  },
  {
    name: "a ZFS pool's disk by zpool.cache where udev is at a loss, and one that nothing tells",
    sys: PARTED,
    proc: { "1/mountinfo": "", "spl/kstat/zfs/tank/state": "ONLINE\n" },
    root: {
      "run/udev/data/b259:1": "S:disk/by-vdev/A0-part1\nE:ID_PART_ENTRY_NUMBER=1\n",
      "run/udev/data/b259:2": "E:ID_FS_AMBIVALENT=filesystem:ext4:1.0 filesystem:zfs_member:5000\n",
      "etc/zfs/zpool.cache": packNvList({
        tank: {
          vdev_tree: { type: "root", children: [{ type: "disk", path: "/dev/disk/by-vdev/A0-part1" }] },
        },
      }),
    },
    uses: [
      "/dev/nvme0n1p1 belongs to ZFS pool tank",
      "/dev/nvme0n1p2 may be of ZFS pool tank: nothing here tells which disks a pool has",
    ],
  },
  {
    name: "the journal of a file system that lies on another disk, not the file system's own",
    sys: PARTED,
    proc: {
      "1/mountinfo": mount("8:1", "/data", "ext4", "/dev/sda1"),
      "fs/jbd2/nvme0n1p1/info": "",
      "fs/jbd2/nvme0n1p2-8/info": "",
    },
    uses: ["/dev/nvme0n1p1 is the journal of a file system on another disk"],
  },
  {
    name: "disks below a VMD controller",
    devices: [{ bdf: BDF, driver: "vmd", class: 0x010400 }],
    sys: block(`${HOME}/pci10000:e0/10000:e0:06.0/10000:e1:00.0/nvme/nvme0/nvme0n1`, "259:0"),
    proc: { "1/mountinfo": mount("259:0", "/", "ext4", "/dev/root") },
    uses: ["/dev/nvme0n1 is mounted on /"],
  },
];

describe("diskUses", () => {
  for (const { name, uses, ...machine } of cases) {
    it(`knows ${name}`, (test) => {
      const survey = recorded(test, machine);
      const found = diskUses(survey, namedDisks(survey.roots, BDF));
      assert.deepEqual([...found.uses].sort(), [...uses].sort());
      assert.deepEqual(found.unknown, []);
    });
  }
});
