/** An emulated machine: what differs between the architectures that a guest can have. One file beside this for each. */

import type { QemuRole, QemuBuild } from "../provision/qemu.ts";

export interface MachineOptions {
  readonly memoryMebibytes: number;
  /** Files that take what comes out of its serial ports: the kernel's messages, and the guest's report. */
  readonly console: string;
  readonly report: string;
  /** The kernel's image, and the file with its RAM disk. */
  readonly kernel: string;
  readonly disk: string;
  /** More of the kernel's command line. */
  readonly append: string;
  readonly devices: readonly (readonly string[])[];
  /** Sockets of vfio-user devices. */
  readonly vfioUser: readonly string[];
}

export interface Machine {
  readonly name: string;
  /** What Debian calls it: the architecture of the kernel's packages and of the guest's programs. */
  readonly debian: string;
  /** The package that a release of Debian has its newest kernel by, and the image that a kernel's tree makes. */
  readonly kernelPackage: string;
  readonly kernelImage: string;
  /** Where the guest's report goes to, below its `/dev`. */
  readonly reportPort: string;
  /** As Node, and npm's packages, call the architecture. */
  readonly node: string;
  /** What a compiler on this machine has before its name to compile for it, `aarch64-linux-gnu-`; "" is this machine's own. */
  readonly crossCompile: string;
  /** As the kernel's tree calls the architecture. */
  readonly kernelArch: string;
  /** The QEMU that emulates it, and that which runs inside. */
  readonly emulator: QemuBuild;
  readonly inner: QemuBuild;
  /** Which QEMUs can emulate it, the one preferred first. */
  emulators(options: Pick<MachineOptions, "vfioUser">): readonly QemuRole[];
  /** QEMU's arguments. */
  arguments(options: MachineOptions): string[];
}
