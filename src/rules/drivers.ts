/** Who has huge leaves for device memory at all: by the way it is mapped, the driver, and the architecture. */

import { changes, hasChange } from "./changes.ts";

/**
 * How a program reaches device memory: a VFIO device, sysfs' `resourceN`, `/proc/bus/pci`, a uio device, `/dev/mem`, or a
 * vfio-user server, whose memory stands for a device's.
 */
export type MappingWay = (typeof mappingWays)[number];
export const mappingWays = ["vfio", "sysfs", "proc-bus-pci", "uio", "mem", "vfio-user"] as const;

/** What of a mapping decides whether the kernel has huge leaves for it. */
export interface MappedBy {
  /** `uname -r` */
  readonly kernel: string;
  /** As the kernel names it, `x86_64`; null where that is not known. */
  readonly arch: string | null;
  readonly way: MappingWay;
  /** The device's driver, as sysfs names it; null where the device is not known: then that of PCI devices. */
  readonly driver: string | null;
  /** The region's index; null where it is not known. */
  readonly region: number | null;
}

/**
 * vfio-pci, and the variants whose mmap is vfio_pci_core_mmap, most under another name than their module's file
 * (drivers/vfio/pci).
 */
const VFIO_PCI =
  /^(?:vfio-pci|mlx5[-_]vfio[-_]pci|virtio[-_]vfio[-_]pci|pds[-_]vfio[-_]pci|qat[-_]vfio[-_]pci|hisi[-_]acc[-_]vfio[-_]pci|xe[-_]vfio[-_]pci)$/;

/** Those that lay the whole mapping at once with remap_pfn_range, which knows base pages only. */
const REMAPPING = /^vfio-(?:platform|amba|fsl-mc|cdx)$/;

/**
 * Drivers of Linux's own tree for mediated devices: i915's lays the aperture with remap_pfn_range (gvt/kvmgt.c), the samples a
 * page a fault or what vmalloc gave (samples/vfio-mdev), s390's have nothing to map.
 */
const MEDIATED_IN_PAGES = /^(?:intel_vgpu_mdev|mbochs|mdpy|mtty|vfio_ccw_mdev|vfio_ap_mdev)$/;

const NVGRACE = /^nvgrace[-_]gpu/;
/** RESMEM_REGION_INDEX and USEMEM_REGION_INDEX in drivers/vfio/pci/nvgrace-gpu/main.c. */
const NVGRACE_OWN = new Set([2, 4]);

/**
 * Whether a driver gives memory of its own as regions, which are no BARs that sysfs knows.
 *
 * @param driver as sysfs names it
 */
export function hasOwnMemory(driver: string | null): boolean {
  return driver !== null && NVGRACE.test(driver);
}

/** Whether a driver lays whole mappings at once, in base pages. */
export function remapsAtOnce(driver: string | null): boolean {
  return driver !== null && REMAPPING.test(driver);
}

/**
 * Whether a driver is one of those that map PCI memory by vfio_pci_core's own handler, which keeps the file offset. Of no
 * driver known, it is taken to be.
 *
 * @param region the region's index; null where it is not known
 */
export function isVfioPci(driver: string | null, region: number | null): boolean {
  if (driver === null || VFIO_PCI.test(driver)) return true;
  return NVGRACE.test(driver) && region !== null && !NVGRACE_OWN.has(region);
}

/** VFIO_PCI_ROM_REGION_INDEX: behind them are regions that drivers add. */
const LAST_BAR = 6;

/** Whether a region is a BAR of the device, the ROM's among them. Of no driver known, it is taken to be vfio-pci's. */
export function isBarOf(driver: string | null, region: number): boolean {
  return region <= LAST_BAR && isVfioPci(driver, region);
}

/**
 * Whether the kernel has huge leaves for such memory, whatever the settings; null where names do not decide.
 *
 * @example
 * hasHugeLeaves({ kernel: "6.12.107", arch: "aarch64", way: "vfio", driver: "nvgrace-gpu", region: 4 }); // false
 */
export function hasHugeLeaves({ kernel, arch, way, driver, region }: MappedBy): boolean | null {
  // An emulated device is judged as the device it stands for.
  if (way === "vfio-user") return true;
  // drivers/pci/mmap.c, drivers/uio/uio.c, drivers/char/mem.c: remap_pfn_range.
  if (way !== "vfio") return false;
  if (remapsAtOnce(driver) || (driver !== null && MEDIATED_IN_PAGES.test(driver))) return false;
  const byKernel = hasHugePfnmap(kernel, arch);
  if (byKernel === false) return false;
  if (isVfioPci(driver, region)) return byKernel;
  if (hasOwnMemory(driver)) {
    const byDriver = hasChange(kernel, changes.nvgraceHugeFaults);
    return byDriver === true ? byKernel : byDriver;
  }
  // A driver from elsewhere, as those of mediated devices are.
  return null;
}

/**
 * The first releases of Linux with huge leaves for vfio-pci's memory on an architecture that are what they should be: those
 * before, from 6.12 on, lay wrong ones, or let them hang on the order of touches (`handler.ts`). Null where no kernel has them.
 *
 * @param arch as `hasHugePfnmap` takes it
 */
export function hugePfnmapSince(arch: string | null): string | null {
  if (arch === null || hasHugePfnmap("6.12.29", arch) === true) return "6.12.29, 6.14.7, 6.15";
  return hasHugePfnmap("7.2.0", arch) === true ? "7.2" : null;
}

/**
 * Whether a kernel has huge leaves for vfio-pci's memory on an architecture; null where its name does not decide.
 *
 * @param arch as the kernel names it; null stands for one of those that had them first
 */
export function hasHugePfnmap(kernel: string, arch: string | null): boolean | null {
  const faults = hasChange(kernel, changes.hugeFaults);
  if (arch === null || /^(?:x86_64|aarch64)$/.test(arch)) return faults;
  if (arch === "riscv64") return faults === false ? false : hasChange(kernel, changes.riscvHugePfnmap);
  if (/^ppc64(?:le)?$/.test(arch))
    return faults === false ? false : hasChange(kernel, changes.powerpcHugePfnmap);
  // No other selects ARCH_SUPPORTS_HUGE_PFNMAP, up to 7.3: of x86 the 64-bit kernel alone (arch/x86/Kconfig, X86_64). And no
  // distribution has taken up what was never offered.
  return false;
}
