/** A q35 machine with an Intel IOMMU: two processors, and room for BARs of up to half a terabyte. */

import { memory, vfioUserPci } from "../devices.ts";
import type { Machine } from "./machine.ts";

export const x86_64: Machine = {
  name: "x86-64",
  debian: "amd64",
  kernelPackage: "linux-image-amd64",
  kernelImage: "arch/x86/boot/bzImage",
  reportPort: "ttyS1",
  node: "x64",
  crossCompile: "",
  kernelArch: "x86",
  emulator: "x86_64",
  inner: "x86_64",

  // Served devices are new.
  emulators: ({ vfioUser }) =>
    vfioUser.length > 0 ? ["region-aligned"] : ["area-aligned", "region-aligned"],

  arguments({ memoryMebibytes, console, report, kernel, disk, append, devices, vfioUser }) {
    const isShared = vfioUser.length > 0;
    return [
      ["-accel", "tcg,thread=multi", "-cpu", cpu, "-smp", "2"],
      ["-machine", "q35,kernel-irqchip=split,memory-backend=ram", ...memory(memoryMebibytes, isShared)],
      ["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"],
      ["-serial", `file:${console}`, "-serial", `file:${report}`],
      ["-kernel", kernel, "-initrd", disk],
      ["-append", `console=ttyS0 ${commandLine.join(" ")} ${append}`],
      // q35's own hole has 32 GiB.
      ["-global", "q35-pcihost.pci-hole64-size=1024G"],
      // A device outside of QEMU is told of the IOMMU's mappings as they are made: that is the caching mode.
      ["-device", `intel-iommu,intremap=on,aw-bits=48,caching-mode=${isShared ? "on" : "off"}`],
      ...devices,
      ...vfioUser.map((socket, index) => vfioUserPci(socket, { addr: (0x18 + index).toString(16) })),
    ].flat();
  },
};

/**
 * What costs the emulator most is left out: strings copied byte by byte (ERMS, FSRM), and registers that are wide to save and slow to
 * compute with. A guest takes a sixth less of the host's time so.
 */
const cpu = ["max,phys-bits=46", "erms=off,fsrm=off", "avx=off,avx2=off,xsave=off"].join(",");

const commandLine = [
  "loglevel=5 log_buf_len=8M panic=-1",
  // On a busy host the timer's ticks can fail to come while the kernel looks for them; it would panic (check_timer).
  "no_timer_check",
  // Periodic ticks: of one-shot timers a single lost interrupt halts a processor for good, of these it costs 4 ms.
  "nohz=off highres=off",
  // The emulator's TSC is one for all processors. The watchdog over it waits for the other one with interrupts off, as
  // stop_machine does, and on 7.2 the two were seen to wait for each other for good.
  "tsc=reliable",
  "intel_iommu=on",
];
