/**
 * A virt machine with an SMMUv3: two processors, and room for BARs of up to 16 TiB, the first at 0x400000000000, where a
 * Grace-Hopper machine has its GPU's memory.
 */

import { memory, vfioUserPci } from "../devices.ts";
import type { Machine } from "./machine.ts";

export const arm64: Machine = {
  name: "arm64",
  debian: "arm64",
  kernelPackage: "linux-image-arm64",
  kernelImage: "arch/arm64/boot/Image",
  reportPort: "ttyAMA1",
  node: "arm64",
  crossCompile: "aarch64-linux-gnu-",
  kernelArch: "arm64",
  emulator: "aarch64",
  inner: "aarch64-on-arm64",

  // Served devices are new.
  emulators: ({ vfioUser }) =>
    vfioUser.length > 0 ? ["region-aligned"] : ["area-aligned", "region-aligned"],

  arguments({ memoryMebibytes, console, report, kernel, disk, append, devices, vfioUser }) {
    const isShared = vfioUser.length > 0;
    return [
      // Pointer authentication in software is most of what the emulation would do.
      ["-accel", "tcg,thread=multi", "-cpu", "max,pauth-impdef=on", "-smp", "2"],
      [
        "-machine",
        // The window for large BARs lies at its own size. A device outside of QEMU is told of virtio's mappings.
        `virt,${isShared ? "" : "iommu=smmuv3,"}gic-version=3,highmem=on,highmem-mmio-size=64T,memory-backend=ram`,
      ],
      memory(memoryMebibytes, isShared),
      ...(isShared ? [["-device", "virtio-iommu-pci,addr=0x1e"]] : []),
      ["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"],
      ["-serial", `file:${console}`, "-serial", `file:${report}`],
      ["-kernel", kernel, "-initrd", disk],
      ["-append", `console=ttyAMA0 ${commandLine.join(" ")} ${append}`],
      ...devices,
      ...vfioUser.map((socket, index) => vfioUserPci(socket, { addr: (0x18 + index).toString(16) })),
    ].flat();
  },
};

const commandLine = [
  "loglevel=5 log_buf_len=8M panic=-1",
  // Periodic ticks, as in x86-64.ts.
  "nohz=off highres=off",
];
