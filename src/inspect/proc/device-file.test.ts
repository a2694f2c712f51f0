import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { deviceFileOf } from "./device-file.ts";

describe("deviceFileOf", () => {
  it("knows the files that show device memory", () => {
    const kinds = new Map<string, object>([
      ["anon_inode:[vfio-device]", { kind: "vfio-group" }],
      ["/dev/vfio/devices/vfio1", { kind: "vfio-cdev", name: "vfio1" }],
      ["/dev/vfio/devices/vfio1 (deleted)", { kind: "vfio-cdev", name: "vfio1" }],
      ["/vfio/devices/vfio12", { kind: "vfio-cdev", name: "vfio12" }],
      ["/dev/uio3", { kind: "uio", name: "uio3" }],
      ["/dev/mem", { kind: "mem" }],
      ["/uio3", { kind: "uio", name: "uio3" }],
      ["/dev/egm4", { kind: "egm", name: "egm4" }],
      ["/proc/bus/pci/01/00.0", { kind: "proc-bus-pci", device: "0000:01:00.0" }],
      ["/proc/bus/pci/0009:01/00.1", { kind: "proc-bus-pci", device: "0009:01:00.1" }],
      ["/bus/pci/10000:e1/1f.7", { kind: "proc-bus-pci", device: "10000:e1:1f.7" }],
      ["/dmabuf:vfio0:0000:00:03.0", { kind: "vfio-dmabuf", device: "0000:00:03.0", region: null }],
      ["/dmabuf:vfio0:0000:00:03.0/1", { kind: "vfio-dmabuf", device: "0000:00:03.0", region: 1 }],
      ["/dmabuf:10000:e1:00.0/5", { kind: "vfio-dmabuf", device: "10000:e1:00.0", region: 5 }],
      ["/memfd:hugebar-device (deleted)", { kind: "vfio-user", region: null, socket: null }],
      ["/memfd:hugebar-device-2 (deleted)", { kind: "vfio-user", region: 2, socket: null }],
      [
        "/memfd:hugebar-device-2:/run/a (deleted) b.sock (deleted)",
        { kind: "vfio-user", region: 2, socket: "/run/a (deleted) b.sock" },
      ],
      [
        "/sys/devices/pci0000:00/0000:00:01.0/0000:01:00.0/resource2_wc",
        { kind: "sysfs", device: "0000:01:00.0", region: 2, file: "resource2_wc" },
      ],
      [
        "/sys/devices/pci10000:00/10000:00:01.0/resource0",
        { kind: "sysfs", device: "10000:00:01.0", region: 0, file: "resource0" },
      ],
    ]);
    for (const [path, file] of kinds) assert.deepEqual(deviceFileOf({ path }), file, path);
  });

  it("takes no other file for one of them", () => {
    for (const path of [
      "",
      "[heap]",
      "/dev/vfio/vfio",
      "/dev/vfio/12",
      "/tmp/dev/vfio/devices/vfio1",
      "/dev/vfio/devices/vfio1\n/dev/vfio/devices/vfio1",
      "/dev/vfio/devices/vfio",
      "/home/me/dev/mem",
      "/dev/uio",
      "/dev/memory",
      "/dmabuf:udmabuf",
      "/dmabuf:vfio0:0000:00:03.0/6",
      "/proc/bus/pci/01/00.8",
      "/proc/bus/pci/devices",
      "/dev/egm",
      "/srv/resource2",
      "/sys/devices/pci0000:00/0000:01:00.0/resource6",
      "/sys/devices/pci0000:00/0000:01:00.0/resource2x",
      "/tmp/anon_inode:[vfio-device]",
      "/memfd:memory-backend-memfd (deleted)",
    ]) {
      assert.equal(deviceFileOf({ path }), null, path);
    }
  });

  it("takes no file on a disk for one of the kernel's", () => {
    for (const path of [
      "/srv/copy/0000:01:00.0/resource0",
      "/srv/proc/bus/pci/01/00.0",
      "/dmabuf:vfio0:0000:00:03.0",
      "/mem",
      "/uio0",
    ]) {
      assert.equal(deviceFileOf({ path, dev: "fe:01" }), null, path);
      assert.notEqual(deviceFileOf({ path, dev: "00:17" }), null, path);
    }
    // A container may have the machine's /dev anywhere.
    for (const [path, kind] of [
      ["/host/dev/vfio/devices/vfio1", "vfio-cdev"],
      ["/host/dev/uio0", "uio"],
      ["/run/host/dev/mem", "mem"],
    ] as const) {
      assert.equal(deviceFileOf({ path, dev: "fe:01" }), null, path);
      assert.equal(deviceFileOf({ path, dev: "00:05" })?.kind, kind, path);
    }
    // A node may be made anywhere.
    assert.deepEqual(deviceFileOf({ path: "/dev/uio0", dev: "fe:01" }), { kind: "uio", name: "uio0" });
  });
});
