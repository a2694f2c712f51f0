/**
 * Which driver takes a device for VFIO: vfio-pci, or the variant whose `vfio_pci:` alias matches best, as libvirt
 * chooses (virPCIDeviceFindBestVFIOVariant): the one with the fewest wildcards.
 */

import { join } from "node:path";
import { hugebarError } from "../../errors.ts";
import { besideSys, type MachineRoots } from "../sysfs/machine-roots.ts";
import { pciDevicePath } from "../sysfs/pci-device.ts";
import { readAttribute, readFolder } from "../sysfs/sysfs.ts";
import { namesIn, textOf } from "../uses/machine/reading.ts";

/** The driver that takes any PCI device. */
export const VFIO_PCI = "vfio-pci";

export interface ChosenDriver {
  /** As sysfs calls it. */
  readonly name: string;
  /** The module that has it, where the kernel has not got the driver yet; null where it has. */
  readonly module: string | null;
  /** Why it is this one and not vfio-pci; null where it is that. */
  readonly why: string | null;
}

/** @throws ERR_ARGUMENT for a name that no driver can have. */
export function chooseDriver(roots: MachineRoots, bdf: string, wanted?: string): ChosenDriver {
  if (wanted !== undefined) {
    if (!/^[\w.+-]+$/.test(wanted)) {
      throw hugebarError("ERR_ARGUMENT", {
        what: `--driver ${wanted}`,
        problem: "a driver is called like vfio-pci",
      });
    }
    return { ...namedDriver(roots, wanted), why: null };
  }
  const modalias = readAttribute(pciDevicePath(roots.sys, bdf), "modalias");
  const module = modalias === null ? null : variantModule(roots, modalias);
  if (module === null || isSameDriver(module, VFIO_PCI))
    return { ...namedDriver(roots, VFIO_PCI), why: null };
  return {
    ...namedDriver(roots, module),
    why: `it is the kernel's variant of vfio-pci for this device; --driver ${VFIO_PCI} takes that instead`,
  };
}

/** Modules and drivers are called alike but for hyphens. */
export function isSameDriver(left: string, right: string): boolean {
  return left.replaceAll("-", "_") === right.replaceAll("-", "_");
}

/** The driver of that name, or that the module of that name has, and whether it must be loaded. */
function namedDriver({ sys }: MachineRoots, name: string): Omit<ChosenDriver, "why"> {
  const there = (readFolder(sys, "bus/pci/drivers") ?? []).find((driver) => isSameDriver(driver, name));
  if (there !== undefined) return { name: there, module: null };
  const ofModule = namesIn(sys, "module", name.replaceAll("-", "_"), "drivers")
    .filter((driver) => driver.startsWith("pci:"))
    .map((driver) => driver.slice("pci:".length));
  return ofModule[0] === undefined ? { name, module: name } : { name: ofModule[0], module: null };
}

/** The module whose alias matches with the fewest wildcards; null where none does. */
function variantModule(roots: MachineRoots, modalias: string): string | null {
  const device = modalias.replace(/^pci:/, "vfio_pci:");
  let best: { module: string; wildcards: number } | null = null;
  for (const [alias, module] of vfioAliases(roots)) {
    const wildcards = alias.split("*").length - 1;
    if ((best === null || wildcards < best.wildcards) && globMatches(alias, device)) {
      best = { module, wildcards };
    }
  }
  return best?.module ?? null;
}

/** Of the kernel's modules, and of what is built into it. */
function vfioAliases(roots: MachineRoots): [string, string][] {
  const release = readAttribute(roots.proc, "sys/kernel/osrelease") ?? "";
  if (release === "" || release.includes("/")) return [];
  const folder = besideSys(roots, join("lib/modules", release));
  const modules = textOf(folder, "modules.alias").matchAll(/^alias (vfio_pci:\S+) (\S+)$/gm);
  const builtIn = textOf(folder, "modules.builtin.modinfo").matchAll(
    /(?:^|\0)([\w-]+)\.alias=(vfio_pci:[^\0]+)/g,
  );
  return [
    ...[...modules].map(([, alias = "", module = ""]): [string, string] => [alias, module]),
    ...[...builtIn].map(([, module = "", alias = ""]): [string, string] => [alias, module]),
  ];
}

function globMatches(glob: string, text: string): boolean {
  const pattern = glob.replaceAll(/[.+^${}()|\\]/g, String.raw`\$&`).replaceAll("*", ".*");
  return new RegExp(`^${pattern.replaceAll("?", ".")}$`).test(text);
}
