/**
 * The kernels there are. An artefact holds `vmlinuz` and `modules/`. A kernel is taken for nothing before it was booted:
 * `kernel-facts.ts` has what each of them does, and `roles.ts` which of them serves for what.
 *
 * - `stock`, `newest`: Debian stable's and unstable's, as distributed
 * - `built`: Debian's source with our configuration and the test driver built in
 * - `built-asking`: the same image, told by its command line to ask the setting of transparent huge pages
 * - `built-tables`: asking, too, and with KVM, and all that it takes to read page tables
 * - `…-arm64`: the same for arm64, distributed with pages of 4 KiB, with 16 KiB where the name says so, built with 64 KiB and
 *   with what KVM and the reading of page tables take; `built-arm64-newest` of the newest source
 */

import { copyFileSync, globSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";

import { arm64 } from "../machine/arm64.ts";
import type { Machine } from "../machine/machine.ts";
import { x86_64 } from "../machine/x86-64.ts";
import { dependenciesOf, fetchPackages, firstOf, type Suites, unpack } from "./apt.ts";
import { builtKernel, toldToAsk } from "./built-kernel.ts";
import { type Artefact, folderOf } from "./cache.ts";
import { copyModules } from "./modules.ts";
import { newest, stable } from "./suites.ts";

/** What can be booted. */
export interface Bootable {
  readonly machine: Machine;
  /** Where `vmlinuz` and `modules/` lie. */
  readonly folder: string;
  /** What its command line has for its part. */
  readonly append: string;
}

export interface Kernel extends Bootable {
  readonly image: Artefact;
}

export type KernelName =
  | "stock"
  | "newest"
  | "built"
  | "built-asking"
  | "built-tables"
  | "stock-arm64"
  | "stock-arm64-16k"
  | "newest-arm64"
  | "newest-arm64-16k"
  | "built-arm64"
  | "built-arm64-newest";

/** The modules a guest can load, by name; what they depend on comes along. */
const modules = [
  ["vfio-pci", "vfio_iommu_type1", "iommufd", "kvm_amd"],
  ["nvme", "e1000e", "igb", "igbvf", "virtio_pci", "virtio_blk", "virtio_net"],
  // Checksums are loaded by name, which is no dependency.
  ["ext4", "btrfs", "crc32c_generic", "crc32c_cryptoapi", "dm-mod", "raid1"],
].flat();

/** For one kernel is enough: what serves disks to others or uses them without a word, and parts of the machine. */
const uses = [
  ["loop", "nvmet", "target_core_mod", "target_core_file", "target_core_iblock"],
  ["9p", "9pnet_virtio", "i6300esb", "xhci_pci", "usbhid", "hid_generic"],
].flat();

interface Flavour {
  /** What follows the architecture in the packages' names. */
  readonly flavour?: string;
  /** Modules besides those of all kernels. */
  readonly more?: readonly string[];
}

function debianKernel(
  name: KernelName,
  candidates: readonly Suites[],
  { kernelPackage, debian }: Machine,
  { flavour = "", more = [] }: Flavour = {},
): Artefact {
  return {
    name: `kernel-${name}`,
    recipe: [...candidates, `${kernelPackage}${flavour}`, ...modules, ...more],
    make(folder) {
      const source = firstOf(candidates, debian);
      const root = join(folder, "packages");
      mkdirSync(root);
      // Since 6.17 the image and its modules are packages of their own.
      const own = new RegExp(String.raw`^linux-(image|binary|base|modules)-\d.*-${debian}${flavour}$`);
      const packages = dependenciesOf(source, `${kernelPackage}${flavour}`).filter((dependency) =>
        own.test(dependency),
      );
      fetchPackages(source, packages, root);
      unpack(root, root);
      const [image] = globSync([join(root, "boot/vmlinuz-*"), join(root, "usr/lib/modules/*/vmlinuz")]);
      if (image === undefined) throw new Error(`No kernel image in ${packages.join(", ")}`);
      copyFileSync(image, join(folder, "vmlinuz"));
      copyModules([...modules, ...more], root, join(folder, "modules"));
      rmSync(root, { recursive: true });
    },
  };
}

/** @param append what the command line has for its part: it may be known only once the image is made */
function bootable(machine: Machine, image: Artefact, append = (): string => ""): Kernel {
  return {
    machine,
    image,
    get folder() {
      return folderOf(image);
    },
    get append() {
      return append();
    },
  };
}

const built = builtKernel("kernel-built", {
  machine: x86_64,
  candidates: stable,
  configurations: ["guest-kernel.config"],
});
const builtTables = builtKernel("kernel-built-tables", {
  machine: x86_64,
  candidates: stable,
  configurations: ["guest-kernel.config", "guest-kernel-tables.config"],
});
const builtArm64 = builtKernel("kernel-built-arm64", {
  machine: arm64,
  candidates: stable,
  configurations: ["guest-kernel-arm64.config"],
});
const builtArm64Newest = builtKernel("kernel-built-arm64-newest", {
  machine: arm64,
  candidates: newest,
  configurations: ["guest-kernel-arm64.config"],
});

const kernels: Readonly<Record<KernelName, Kernel>> = {
  stock: bootable(x86_64, debianKernel("stock", stable, x86_64, { more: uses })),
  newest: bootable(x86_64, debianKernel("newest", newest, x86_64)),
  built: bootable(x86_64, built),
  "built-asking": bootable(x86_64, built, () => toldToAsk(built)),
  "built-tables": bootable(x86_64, builtTables, () => toldToAsk(builtTables)),
  "stock-arm64": bootable(arm64, debianKernel("stock-arm64", stable, arm64)),
  "stock-arm64-16k": bootable(arm64, debianKernel("stock-arm64-16k", stable, arm64, { flavour: "-16k" })),
  "newest-arm64": bootable(arm64, debianKernel("newest-arm64", newest, arm64)),
  "newest-arm64-16k": bootable(arm64, debianKernel("newest-arm64-16k", newest, arm64, { flavour: "-16k" })),
  "built-arm64": bootable(arm64, builtArm64),
  "built-arm64-newest": bootable(arm64, builtArm64Newest),
};

export function isKernelName(name: string): name is KernelName {
  return Object.hasOwn(kernels, name);
}

export function kernel(name: KernelName): Kernel {
  return kernels[name];
}
