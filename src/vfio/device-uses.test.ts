import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { deviceUses, vfioHolders } from "./device-uses.ts";
import { BDF, block, HOME, recorded } from "./uses/machine/recorded-machine.fixture.ts";
import { type UsesCase } from "./uses/uses-cases.fixture.ts";

const GPU = { bdf: BDF, driver: "nvidia", class: 0x030000 };
const NIC = { bdf: BDF, driver: "mlx5_core", class: 0x020000 };
const VF = "0000:01:10.0";
const SUBSYSTEM = "devices/virtual/nvme-subsystem/nvme-subsys0";
const ROOT = "root:x:0:0::/root:/bin/sh\nanna:x:1000:1000::/home/anna:/bin/sh\n";

/** A process with files open: what its descriptors lead to. */
function holder(pid: number, comm: string, uid: number, ...files: readonly string[]): Record<string, string> {
  return {
    [`${pid}/comm`]: `${comm}\n`,
    [`${pid}/status`]: `Name:\t${comm}\nUid:\t${uid}\t${uid}\t${uid}\t${uid}\n`,
    ...Object.fromEntries(files.map((file, index) => [`${pid}/fd/${index + 3}`, `-> ${file}`])),
  };
}

/** A network interface of the function. */
function nic(name: string, flags: string, files: Readonly<Record<string, string | null>> = {}) {
  const home = `${HOME}/net/${name}`;
  return {
    [`${home}/flags`]: `${flags}\n`,
    [`class/net/${name}`]: `-> ../../${home}`,
    ...Object.fromEntries(Object.entries(files).map(([path, content]) => [`${home}/${path}`, content])),
  };
}

/** An interface that is nobody's hardware. */
function virtual(name: string, files: Readonly<Record<string, string | null>> = {}) {
  const home = `devices/virtual/net/${name}`;
  return {
    [`${home}/flags`]: "0x1003\n",
    [`class/net/${name}`]: `-> ../../${home}`,
    ...Object.fromEntries(Object.entries(files).map(([path, content]) => [`${home}/${path}`, content])),
  };
}

const cases: readonly UsesCase[] = [
  { name: "a function without any", devices: [GPU], uses: [] },
  {
    name: "what the threads of a process have open and mapped whose first thread has ended",
    devices: [GPU],
    proc: {
      ...holder(901, "miner", 0),
      "901/maps": "",
      "901/task/901/maps": "",
      "901/task/903/fd/4": "-> /dev/nvidia0",
      "901/task/903/maps": `7f0000000000-7f0001000000 rw-s 00000000 00:15 12 /sys/${HOME}/resource1\n`,
    },
    root: { "etc/passwd": ROOT },
    uses: [
      "process 901 (miner, of root) has /dev/nvidia0 open",
      `process 901 (miner, of root) has /sys/${HOME}/resource1 open`,
    ],
  },
  {
    name: "what a thread with a table of open files of its own has in it",
    devices: [GPU],
    proc: {
      ...holder(902, "broker", 0, "/dev/null"),
      "902/task/902/fd/3": "-> /dev/null",
      "902/task/904/fd/3": "-> /dev/null",
      "902/task/904/fd/4": "-> /dev/nvidia0",
    },
    root: { "etc/passwd": ROOT },
    uses: ["process 902 (broker, of root) has /dev/nvidia0 open"],
  },
  {
    name: "processes that have a GPU's files open, by NVIDIA's driver",
    devices: [GPU],
    proc: holder(900, "Xorg", 0, "/dev/nvidia0", "/dev/nvidiactl", "/dev/tty1"),
    root: { "etc/passwd": ROOT },
    uses: ["process 900 (Xorg, of root) has /dev/nvidia0 open"],
  },
  {
    name: "the one of two GPUs that a process has, by the driver's own word",
    devices: [GPU, { ...GPU, bdf: "0000:02:00.0", group: 8 }],
    proc: {
      [`driver/nvidia/gpus/${BDF}/information`]: "Model: \t\t X\nDevice Minor: \t 1\n",
      ...holder(900, "python", 1000, "/dev/nvidia0", "/dev/nvidiactl", "/dev/nvidia-uvm"),
      ...holder(901, "python", 1000, "/dev/nvidia1", "/dev/nvidia-uvm"),
    },
    root: { "etc/passwd": ROOT },
    uses: ["process 901 (python, of anna) has /dev/nvidia1 open"],
  },
  {
    name: "two GPUs that nothing tells apart, both in doubt",
    devices: [GPU, { ...GPU, bdf: "0000:02:00.0", group: 8 }],
    proc: holder(900, "python", 1000, "/dev/nvidia1"),
    uses: ["process 900 (python, of user 1000) has /dev/nvidia1 open, which may be this one's"],
  },
  {
    name: "who has the channels and links that NVIDIA's GPUs share, and an adapter's own file",
    devices: [GPU],
    sys: { [`${HOME}/host5/bsg/fc_host5/dev`]: "250:0\n" },
    proc: {
      ...holder(5, "nccl", 0, "/dev/nvidia-caps-imex-channels/channel0"),
      ...holder(6, "nv-fabricmanag", 0, "/dev/nvidia-nvlink"),
      ...holder(7, "hbacmd", 0, "/dev/bsg/fc_host5"),
    },
    uses: [
      "process 5 (nccl, of root) has /dev/nvidia-caps-imex-channels/channel0 open",
      "process 6 (nv-fabricmanag, of root) has /dev/nvidia-nvlink open",
      "process 7 (hbacmd, of root) has /dev/bsg/fc_host5 open",
    ],
  },
  {
    name: "who has a console of virtio's open, of one function that has some or of two",
    devices: [
      { bdf: BDF, driver: "virtio-pci" },
      { bdf: "0000:02:00.0", driver: "virtio-pci", group: 8 },
    ],
    sys: {
      [`${HOME}/virtio1/virtio-ports/vport1p0/dev`]: "243:1\n",
      "devices/pci0000:00/0000:02:00.0/virtio2/virtio-ports/vport2p0/dev": "243:2\n",
    },
    proc: holder(8, "agetty", 0, "/dev/hvc0"),
    uses: ["process 8 (agetty, of root) has /dev/hvc0 open, which may be this one's"],
  },
  {
    name: "files of a GPU that are placed in sysfs, open and mapped, from a chroot too",
    devices: [{ ...GPU, driver: "amdgpu" }],
    sys: {
      [`${HOME}/drm/card1/uevent`]: "MAJOR=226\nMINOR=1\nDEVNAME=dri/card1\n",
      [`${HOME}/drm/card1/dev`]: "226:1\n",
      [`${HOME}/drm/card1/card1-DP-1/status`]: "connected\n",
      [`${HOME}/drm/renderD129`]: null,
      [`${HOME}/sound/card0/controlC0`]: null,
    },
    proc: {
      ...holder(10, "kwin", 1000, "/dev/dri/card1"),
      ...holder(11, "steam", 1000, "/srv/chroot/dev/dri/renderD129", "/dev/kfd"),
      "12/comm": "game\n",
      "12/maps": "7f00-7f10 rw-s 00000000 00:05 7   /dev/dri/renderD129\n",
      ...holder(13, "pipewire", 1000, "/dev/snd/controlC0", "/dev/dri/card0"),
      ...holder(14, "rocm", 1000, "/dev/kfd"),
    },
    root: { "etc/passwd": ROOT },
    uses: [
      "process 10 (kwin, of anna) has /dev/dri/card1 open",
      "process 11 (steam, of anna), process 12 (game) have /dev/dri/renderD129 open",
      "process 13 (pipewire, of anna) has /dev/snd/controlC0 open",
      "process 14 (rocm, of anna) has /dev/kfd open",
    ],
  },
  {
    name: "a GPU of which only the class's link was recorded",
    devices: [GPU],
    sys: {
      "class/drm/card0": `-> ../../${HOME}/drm/card0`,
      "class/drm/card1": "-> ../../devices/pci0000:00/0000:02:00.0/drm/card1",
    },
    proc: holder(10, "Xorg", 0, "/dev/dri/card0", "/dev/dri/card1"),
    root: { "etc/passwd": ROOT },
    uses: ["process 10 (Xorg, of root) has /dev/dri/card0 open"],
  },
  {
    name: "a display of which nothing says which files it has",
    devices: [{ ...GPU, driver: "i915" }],
    proc: holder(10, "Xorg", 0, "/dev/dri/card0"),
    root: { "etc/passwd": ROOT },
    uses: ["process 10 (Xorg, of root) has /dev/dri/card0 open, which may be this one's"],
  },
  {
    name: "the connection manager that all RDMA devices share, of who has no file of one of them",
    devices: [NIC],
    sys: {
      [`${HOME}/infiniband/mlx5_0/node_type`]: "1: CA\n",
      [`${HOME}/infiniband_verbs/uverbs0/dev`]: "231:192\n",
    },
    proc: {
      ...holder(30, "ib_send_bw", 0, "/dev/infiniband/uverbs0", "/dev/infiniband/rdma_cm"),
      ...holder(31, "rping", 0, "/dev/infiniband/uverbs1", "/dev/infiniband/rdma_cm"),
      ...holder(32, "srpd", 0, "/dev/infiniband/rdma_cm"),
    },
    root: { "etc/passwd": ROOT },
    uses: [
      "process 30 (ib_send_bw, of root) has /dev/infiniband/uverbs0 open",
      "process 32 (srpd, of root) has /dev/infiniband/rdma_cm open",
    ],
  },
  {
    name: "it of two devices",
    devices: [NIC, { ...NIC, bdf: "0000:02:00.0", group: 8 }],
    sys: {
      [`${HOME}/infiniband/mlx5_0/node_type`]: "1: CA\n",
      "devices/pci0000:00/0000:02:00.0/infiniband/mlx5_1/node_type": "1: CA\n",
    },
    proc: holder(32, "srpd", 0, "/dev/infiniband/rdma_cm"),
    root: { "etc/passwd": ROOT },
    uses: ["process 32 (srpd, of root) has /dev/infiniband/rdma_cm open, which may be this one's"],
  },
  {
    name: "an accelerator of Intel's by the file that all of them share",
    devices: [{ bdf: BDF, driver: "4xxx", class: 0x0b4000 }],
    proc: holder(33, "qatmgr", 0, "/dev/qat_adf_ctl"),
    root: { "etc/passwd": ROOT },
    uses: ["process 33 (qatmgr, of root) has /dev/qat_adf_ctl open"],
  },
  {
    name: "NVSwitches, which the fabric's manager has",
    devices: [1, 2].map((bus) => ({
      bdf: `0000:0${bus}:00.0`,
      driver: "nvidia-nvswitch",
      class: 0x068000,
      group: bus,
    })),
    proc: holder(34, "nv-fabricmanage", 0, "/dev/nvidia-nvswitchctl", "/dev/nvidia-nvswitch0"),
    root: { "etc/passwd": ROOT },
    uses: ["process 34 (nv-fabricmanage, of root) has /dev/nvidia-nvswitch0 open, which may be this one's"],
  },
  {
    name: "a RAID controller, by its driver's own file",
    devices: [{ bdf: BDF, driver: "megaraid_sas", class: 0x010400 }],
    proc: holder(35, "storcli", 0, "/dev/megaraid_sas_ioctl_node"),
    root: { "etc/passwd": ROOT },
    uses: ["process 35 (storcli, of root) has /dev/megaraid_sas_ioctl_node open"],
  },
  {
    name: "DPDK by uio and by the BARs in sysfs, and setpci",
    devices: [{ ...NIC, driver: "igb_uio" }],
    sys: { [`${HOME}/uio/uio0/dev`]: "245:0\n" },
    proc: {
      ...holder(20, "dpdk-testpmd", 0, "/dev/uio0"),
      "21/comm": "spdk_tgt\n",
      "21/maps": `7f00-7f10 rw-s 00000000 00:15 7   /sys/${HOME}/resource0\n`,
      ...holder(22, "setpci", 0, `/sys/${HOME}/config`, "/proc/bus/pci/01/00.0"),
    },
    root: { "etc/passwd": ROOT },
    uses: [
      "process 20 (dpdk-testpmd, of root) has /dev/uio0 open",
      `process 21 (spdk_tgt) has /sys/${HOME}/resource0 open`,
      `process 22 (setpci, of root) has /sys/${HOME}/config open`,
      "process 22 (setpci, of root) has /proc/bus/pci/01/00.0 open",
    ],
  },
  {
    name: "a raw disk that a program has open, and many programs in one phrase",
    devices: [{ bdf: BDF, driver: "nvme" }],
    sys: block(`${HOME}/nvme/nvme0/nvme0n1`, "259:0"),
    proc: Object.fromEntries(
      [1, 2, 3, 4, 5].flatMap((pid) => Object.entries(holder(pid, "qemu", 0, "/dev/nvme0n1"))),
    ),
    uses: [
      "process 1 (qemu, of root), process 2 (qemu, of root), process 3 (qemu, of root) and 2 more have /dev/nvme0n1 open",
    ],
  },
  {
    name: "NVMe's own files: a controller's, a namespace's",
    devices: [{ bdf: BDF, driver: "nvme" }],
    sys: {
      ...block(`${HOME}/nvme/nvme0/nvme0n1`, "259:0"),
      [`${HOME}/nvme/nvme0/dev`]: "239:0\n",
      [`${HOME}/nvme/nvme0/ng0n1/dev`]: "240:0\n",
    },
    proc: {
      ...holder(30, "nvme", 0, "/dev/nvme0"),
      ...holder(31, "xnvme", 0, "/dev/ng0n1"),
      ...holder(32, "other", 0, "/dev/nvme1"),
      ...holder(33, "other", 0, "/dev/ng1n1"),
    },
    uses: [
      "process 30 (nvme, of root) has /dev/nvme0 open",
      "process 31 (xnvme, of root) has /dev/ng0n1 open",
    ],
  },
  {
    name: "the file of a multipath NVMe namespace, which hangs below the subsystem",
    devices: [{ bdf: BDF, driver: "nvme" }],
    sys: {
      [`${HOME}/nvme/nvme0/nvme0c0n1/hidden`]: "1\n",
      [`${HOME}/nvme/nvme0/subsysnqn`]: "nqn.1\n",
      [`${SUBSYSTEM}/subsysnqn`]: "nqn.1\n",
      ...block(`${SUBSYSTEM}/nvme0n1`, "259:0"),
      [`${SUBSYSTEM}/ng0n1/dev`]: "240:0\n",
      ...block("devices/virtual/nvme-subsystem/nvme-subsys1/nvme1n1", "259:1"),
      "devices/virtual/nvme-subsystem/nvme-subsys1/ng1n1/dev": "240:1\n",
    },
    proc: { ...holder(31, "xnvme", 0, "/dev/ng0n1"), ...holder(33, "other", 0, "/dev/ng1n1") },
    uses: ["process 31 (xnvme, of root) has /dev/ng0n1 open"],
  },
  {
    name: "what a modem, a clock and a disk's generic driver have below the function",
    devices: [{ bdf: BDF, driver: "x" }],
    sys: {
      [`${HOME}/wwan/wwan0/wwan0mbim0/uevent`]: "DEVNAME=wwan0mbim0\n",
      [`${HOME}/ptp/ptp0/dev`]: "248:0\n",
      [`${HOME}/host0/target0:0:0/0:0:0:0/scsi_generic/sg0/dev`]: "21:0\n",
      [`${HOME}/usb1/1-1/1-1:1.0/0003:046D:C31C.0001/hidraw/hidraw0/dev`]: "247:0\n",
      [`${HOME}/usb1/1-2/1-2:1.0/input/input5/event5/uevent`]: "DEVNAME=input/event5\n",
    },
    proc: {
      ...holder(40, "ModemManager", 0, "/dev/wwan0mbim0"),
      ...holder(41, "ptp4l", 0, "/dev/ptp0"),
      ...holder(42, "sg_dd", 0, "/dev/sg0"),
      ...holder(43, "logid", 0, "/dev/hidraw0"),
      ...holder(44, "Xorg", 0, "/dev/input/event5"),
    },
    uses: [
      "process 40 (ModemManager, of root) has /dev/wwan0mbim0 open",
      "process 41 (ptp4l, of root) has /dev/ptp0 open",
      "process 42 (sg_dd, of root) has /dev/sg0 open",
      "process 43 (logid, of root) has /dev/hidraw0 open",
      "process 44 (Xorg, of root) has /dev/input/event5 open",
    ],
  },
  {
    name: "RDMA by verbs, and an active port",
    devices: [NIC],
    sys: {
      [`${HOME}/infiniband_verbs/uverbs0/dev`]: "231:192\n",
      [`${HOME}/infiniband/mlx5_0/ports/1/state`]: "4: ACTIVE\n",
      [`${HOME}/infiniband/mlx5_0/ports/2/state`]: "1: DOWN\n",
      "class/infiniband/mlx5_0": `-> ../../${HOME}/infiniband/mlx5_0`,
    },
    proc: holder(30, "ib_write_bw", 0, "/dev/infiniband/uverbs0"),
    uses: [
      "port 1 of RDMA device mlx5_0 is active",
      "process 30 (ib_write_bw, of root) has /dev/infiniband/uverbs0 open",
    ],
  },
  {
    name: "interfaces that are up, none that are down",
    devices: [NIC],
    sys: { ...nic("eth0", "0x1003"), ...nic("eth1", "0x1002") },
    uses: ["network interface eth0 is up"],
  },
  {
    name: "an interface in a bond with a VLAN in a bridge",
    devices: [NIC],
    sys: {
      ...nic("eth0", "0x1803", { master: "-> ../../../../virtual/net/bond0", upper_bond0: "" }),
      ...virtual("bond0", { "bonding/slaves": "eth0 eth1\n", "upper_bond0.7": "" }),
      ...virtual("bond0.7", { uevent: "DEVTYPE=vlan\nINTERFACE=bond0.7\n", lower_bond0: "" }),
      ...virtual("br0", { "bridge/bridge_id": "8000\n", "brif/bond0.7": null }),
    },
    uses: ["network interface eth0 is up and is part of bond bond0, vlan bond0.7, bridge br0"],
  },
  {
    name: "an interface in a bond with a VLAN, by what these say themselves",
    devices: [NIC],
    sys: { [`${HOME}/net/eth0/operstate`]: "up\n", "class/net/eth0": `-> ../../${HOME}/net/eth0` },
    proc: {
      "net/bonding/bond0": "Ethernet Channel Bonding Driver: v6\n\nSlave Interface: eth0\nMII Status: up\n",
      "net/vlan/config":
        "VLAN Dev name    | VLAN ID\nName-Type: VLAN_NAME_TYPE_RAW_PLUS_VID_NO_PAD\nbond0.7        | 7  | bond0\n",
    },
    uses: ["network interface eth0 is up and is part of bond bond0, vlan bond0.7"],
  },
  {
    name: "an interface that stands below the function and in no class",
    devices: [{ bdf: BDF, driver: "igb", class: 0x020000 }],
    sys: { [`${HOME}/net/eth0/flags`]: "0x1003\n" },
    uses: ["network interface eth0 is up"],
  },
  {
    name: "an interface that is down, and a port of OVS",
    devices: [NIC],
    sys: { ...nic("eth0", "0x1002", { master: "-> ../../../../virtual/net/ovs-system" }) },
    uses: ["network interface eth0 is part of ovs-system"],
  },
  {
    name: "an interface in a container's namespace, by the container's own sysfs",
    devices: [NIC],
    proc: {
      "1/ns/net": "-> net:[1]",
      ...holder(40, "nginx", 1000),
      "40/ns/net": "-> net:[2]",
      "40/root/sys/class/net/eth5": `-> ../../${HOME}/net/eth5`,
    },
    root: { "etc/passwd": ROOT },
    uses: ["network interface eth5 is in the network namespace of process 40 (nginx, of anna)"],
  },
  {
    name: "a card without an interface here, where there is another namespace with one",
    devices: [NIC],
    proc: {
      "1/net/dev": "Inter-|   Receive\n face |bytes\n    lo: 0\n  eth9: 0\n",
      ...holder(41, "ospfd", 0),
      "41/net/dev": "Inter-|   Receive\n face |bytes\n    lo: 0\n  eth5: 0\n",
    },
    uses: [
      "its network interface is in another network namespace, such as that of process 41 (ospfd, of root)",
    ],
  },
  {
    name: "a card without an interface here, where `ip netns` has made a namespace",
    devices: [NIC],
    proc: {
      "1/mountinfo": "90 23 0:4 net:[4026532200] /run/netns/blue rw - nsfs nsfs rw net:[4026532200]\n",
    },
    uses: ["its network interface is in another network namespace (/run/netns/blue)"],
  },
  {
    name: "an interface in the namespace of a thread, whose process is in this one",
    devices: [NIC],
    proc: {
      "1/ns/net": "-> net:[1]",
      ...holder(41, "ospfd", 0),
      "41/ns/net": "-> net:[1]",
      "41/task/41/ns/net": "-> net:[1]",
      "41/task/43/ns/net": "-> net:[2]",
      "41/task/43/net/dev": "Inter-|   Receive\n face |bytes\n    lo: 0\n  eth5: 0\n",
    },
    uses: [
      "its network interface is in another network namespace, such as that of process 41 (ospfd, of root)",
    ],
  },
  {
    name: "a card without an interface here, where a container engine keeps a namespace in a mount namespace of its own",
    devices: [NIC],
    proc: {
      "1/ns/net": "-> net:[1]",
      "1/ns/mnt": "-> mnt:[1]",
      "1/mountinfo": "20 1 0:20 / / rw - tmpfs tmpfs rw\n",
      ...holder(44, "dockerd", 0),
      "44/ns/mnt": "-> mnt:[2]",
      "44/mountinfo":
        "91 23 0:4 mnt:[4026532199] /run/mnt/x rw - nsfs nsfs rw\n90 23 0:4 net:[4026532200] /run/docker/netns/x rw - nsfs nsfs rw\n",
    },
    uses: ["its network interface is in another network namespace (/run/docker/netns/x)"],
  },
  {
    name: "a card without an interface here, where an open file alone keeps a namespace",
    devices: [NIC],
    proc: {
      "1/ns/net": "-> net:[1]",
      ...holder(45, "vppd", 0),
      "45/ns/net": "-> net:[1]",
      "45/fd/3": "-> net:[1]",
      "45/fd/4": "-> net:[4026532201]",
    },
    uses: [
      "its network interface is in another network namespace, such as one that process 45 (vppd, of root) has open",
    ],
  },
  { name: "no interface of a card elsewhere, where there is one namespace", devices: [NIC], uses: [] },
  {
    name: "the console: the display that was booted with, the firmware's framebuffer, fb0",
    devices: [GPU],
    sys: {
      [`${HOME}/boot_vga`]: "1\n",
      [`${HOME}/simple-framebuffer.0`]: null,
      [`${HOME}/graphics/fb0/name`]: "x\n",
      "class/graphics/fb0": `-> ../../${HOME}/graphics/fb0`,
      "class/vtconsole/vtcon1": "-> ../../devices/virtual/vtconsole/vtcon1",
      "devices/virtual/vtconsole/vtcon1/bind": "1\n",
      "devices/virtual/vtconsole/vtcon1/name": "(M) frame buffer device\n",
    },
    uses: [
      "it is the display that the machine has started with (boot_vga)",
      "the firmware's framebuffer is on it (simple-framebuffer.0)",
      "the text console is on it (fb0)",
    ],
  },
  {
    name: "the firmware's framebuffer in a BAR, by the kernel's map of memory",
    devices: [GPU],
    sys: { [`${HOME}/boot_vga`]: "0\n" },
    proc: {
      iomem: `c0000000-dfffffff : PCI Bus 0000:01
  c0000000-cfffffff : ${BDF}
    c0000000-c07e8fff : efifb
  d0000000-d0ffffff : 0000:01:00.1
`,
    },
    uses: ["the firmware's framebuffer is on it (efifb)"],
  },
  {
    name: "no framebuffer of another function",
    devices: [GPU],
    proc: {
      iomem: `c0000000-cfffffff : ${BDF}\nd0000000-d0ffffff : 0000:02:00.0\n  d0000000-d07fffff : BOOTFB\n`,
    },
    uses: [],
  },
  {
    name: "a serial card with a console",
    devices: [{ bdf: BDF, driver: "serial" }],
    proc: holder(1, "init", 0, "/dev/console"),
    sys: { [`${HOME}/tty/ttyS4/console`]: "Y\n", "class/tty/ttyS4": `-> ../../${HOME}/tty/ttyS4` },
    uses: ["/dev/ttyS4 is a console of the kernel"],
  },
  {
    name: "virtual functions, what they are used for, and who holds them",
    devices: [NIC, { bdf: VF, driver: "iavf", class: 0x020000, group: 9 }],
    sys: {
      [`${HOME}/sriov_numvfs`]: "3\n",
      [`${HOME}/virtfn0`]: `-> ../${VF}`,
      [`devices/pci0000:00/${VF}/net/eth0v0/flags`]: "0x1003\n",
      "class/net/eth0v0": `-> ../../devices/pci0000:00/${VF}/net/eth0v0`,
    },
    uses: [`it has 3 virtual functions: ${VF} (iavf), 2 unseen`, `of ${VF}: network interface eth0v0 is up`],
  },
  {
    name: "mediated devices, and who holds them",
    devices: [GPU],
    sys: {
      [`${HOME}/0b5fd3fb-2389-4a22-ba70-52969a26b9d5/iommu_group`]: "-> ../../../../kernel/iommu_groups/31",
      "bus/mdev/devices/0b5fd3fb-2389-4a22-ba70-52969a26b9d5": `-> ../../../${HOME}/0b5fd3fb-2389-4a22-ba70-52969a26b9d5`,
    },
    proc: holder(50, "qemu", 0, "/dev/vfio/31"),
    uses: [
      "it carries mediated device 0b5fd3fb-2389-4a22-ba70-52969a26b9d5, held by process 50 (qemu, of root)",
    ],
  },
];

describe("deviceUses", () => {
  for (const { name, uses, ...machine } of cases) {
    it(`knows ${name}`, (test) => {
      assert.deepEqual([...deviceUses(recorded(test, machine), BDF).uses].sort(), [...uses].sort());
    });
  }

  it("says the login by SSH first", (test) => {
    const survey = recorded(test, {
      devices: [NIC],
      sys: {
        ...nic("eth0", "0x1003", { upper_br0: "" }),
        ...virtual("br0", { "bridge/bridge_id": "8000\n" }),
      },
      proc: {
        "net/route":
          "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\nbr0\t00000000\t0100A8C0\t0003\t0\t0\t0\t00000000\n",
      },
    });
    const login = { ...survey, login: () => "10.9.9.9 50000 192.168.0.7 22" };
    assert.deepEqual(deviceUses(login, BDF).uses, [
      "your own SSH login comes in by network interface eth0",
      "network interface eth0 is up and is part of bridge br0",
    ]);
  });

  it("cannot tell what processes do that it does not see", (test) => {
    for (const { namespace, unknown } of [
      { namespace: "pid:[4026531836]", unknown: [] },
      {
        namespace: "pid:[4026532201]",
        unknown: [
          { what: "which files processes outside of this PID namespace have open", isRefused: false },
        ],
      },
    ]) {
      const survey = recorded(test, { devices: [GPU], proc: { "self/ns/pid": `-> ${namespace}` } });
      assert.deepEqual(deviceUses(survey, BDF), { uses: [], unknown });
    }
  });

  it("keeps a message on its line, whatever a name holds", (test) => {
    const survey = recorded(test, {
      devices: [GPU],
      proc: holder(900, "evil\u001B[2J\nname", 0, "/dev/nvidia0"),
    });
    assert.deepEqual(deviceUses(survey, BDF).uses, [
      "process 900 (evil?[2J?name, of root) has /dev/nvidia0 open",
    ]);
  });
});

describe("vfioHolders", () => {
  it("finds the processes with the device's group, cdev or nameless file open", (test) => {
    const survey = recorded(test, {
      devices: [{ bdf: BDF, vfioDevice: "vfio3", group: 12 }],
      proc: {
        ...holder(41, "a", 0, "/dev/vfio/12"),
        ...holder(42, "b", 0, "/dev/vfio/devices/vfio3"),
        ...holder(43, "c", 0, "/dev/vfio/13"),
        ...holder(44, "d", 0, "anon_inode:[vfio-device]"),
        "44/fdinfo/3": `pos:\t0\nvfio-device-syspath: /sys/${HOME}\n`,
        "self/fd/9": "-> /dev/vfio/12",
      },
    });
    assert.deepEqual(vfioHolders(survey, BDF), [41, 42, 44]);
  });
});
