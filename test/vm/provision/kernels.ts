/**
 * The kernels there are. An artefact holds `vmlinuz` and `modules/`. A kernel is taken for nothing before it was booted:
 * `kernel-facts.ts` has what each of them does, and `roles.ts` which of them serves for what.
 *
 * - `stock`, `newest`: Debian stable's and unstable's, as distributed
 * - `built`: Debian's source with our configuration and the test driver built in
 * - `built-asking`: the same image, told by its command line to ask the setting of transparent huge pages
 */

import { copyFileSync, globSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";

import type { Machine } from "../machine/machine.ts";
import { x86_64 } from "../machine/x86-64.ts";
import { dependenciesOf, fetchPackages, firstOf, type Suites, unpack } from "./apt.ts";
import { builtKernel, toldToAsk } from "./built-kernel.ts";
import type { Artefact } from "./cache.ts";
import { copyModules } from "./modules.ts";
import { newest, stable } from "./suites.ts";

export interface Kernel {
  readonly machine: Machine;
  readonly image: Artefact;
  /** What its command line has for its part. */
  readonly append: string;
}

export type KernelName = "stock" | "newest" | "built" | "built-asking";

/** The modules a guest can load, by name; what they depend on comes along. */
const modules = [
  ["vfio-pci", "vfio_iommu_type1", "iommufd", "kvm_amd"],
  ["nvme", "e1000e", "igb", "igbvf", "virtio_pci", "virtio_blk", "virtio_net"],
  // Checksums are loaded by name, which is no dependency.
  ["ext4", "btrfs", "crc32c_generic", "crc32c_cryptoapi", "dm-mod", "raid1"],
].flat();

function debianKernel(name: string, candidates: readonly Suites[], machine: Machine): Artefact {
  const { kernelPackage, debian } = machine;
  return {
    name: `kernel-${name}`,
    recipe: [...candidates, kernelPackage, ...modules],
    make(folder) {
      const suites = firstOf(candidates);
      const root = join(folder, "packages");
      mkdirSync(root);
      // Since 6.17 the image and its modules are packages of their own.
      const own = new RegExp(String.raw`^linux-(image|binary|base|modules)-\d.*-${debian}$`);
      const packages = dependenciesOf(suites, kernelPackage).filter((dependency) => own.test(dependency));
      fetchPackages(suites, packages, root);
      unpack(root, root);
      const [image] = globSync([join(root, "boot/vmlinuz-*"), join(root, "usr/lib/modules/*/vmlinuz")]);
      if (image === undefined) throw new Error(`No kernel image in ${packages.join(", ")}`);
      copyFileSync(image, join(folder, "vmlinuz"));
      copyModules(modules, root, join(folder, "modules"));
      rmSync(root, { recursive: true });
    },
  };
}

const kernels: Readonly<Record<KernelName, Kernel>> = {
  stock: { machine: x86_64, image: debianKernel("stock", stable, x86_64), append: "" },
  newest: { machine: x86_64, image: debianKernel("newest", newest, x86_64), append: "" },
  built: { machine: x86_64, image: builtKernel(x86_64), append: "" },
  "built-asking": {
    machine: x86_64,
    image: builtKernel(x86_64),
    get append() {
      return toldToAsk(x86_64);
    },
  },
};

export function isKernelName(name: string): name is KernelName {
  return Object.hasOwn(kernels, name);
}

export function kernel(name: KernelName): Kernel {
  return kernels[name];
}
