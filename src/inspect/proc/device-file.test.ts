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
      "/srv/resource2",
      "/sys/devices/pci0000:00/0000:01:00.0/resource6",
      "/sys/devices/pci0000:00/0000:01:00.0/resource2x",
      "/tmp/anon_inode:[vfio-device]",
      "/memfd:memory-backend-memfd (deleted)",
    ]) {
      assert.equal(deviceFileOf({ path }), null, path);
    }
  });
});
