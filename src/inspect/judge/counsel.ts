/** What to do about the three things that most often stand in the way: true for this program, this device and this kernel. */

import { hasHugePfnmap, hasOwnMemory, hugePfnmapSince, remapsAtOnce } from "../../rules/drivers.ts";
import { changes, hasChange } from "../../rules/changes.ts";
import { formatSize } from "../../layout/sizes.ts";
import type { Program } from "../../rules/program.ts";
import type { ReasonFacts } from "./reason-facts.ts";

type AlignFacts = Pick<
  ReasonFacts,
  "program" | "command" | "needsRegion" | "reachedRounded" | "needsPhysical" | "alignment"
>;

/** How this program comes to a better address. */
export function alignCounsel(facts: AlignFacts): string {
  const { program, needsRegion, reachedRounded, needsPhysical, alignment } = facts;
  const to = formatSize(alignment);
  const name = nameOf(facts);
  if (program === "hugebar")
    return needsPhysical
      ? "map it with the strategy physical"
      : "map it with the strategy region, the default";
  if (needsPhysical) {
    const none = program === "qemu" ? "no QEMU up to 11 does, so that it takes a change: " : "";
    return `the region's memory does not begin at such a boundary itself, and an aligned address is not enough: ${none}have ${name} map it at an address that leaves the same remainder by ${to} as its physical address does, as hugebar's strategy physical does`;
  }
  const reserve = `reserve address space aligned to ${to} for the whole region and map into it (MAP_FIXED), as hugebar's strategy region does`;
  switch (program) {
    case "qemu":
      // The patch that hugebar starts from; "vfio/helpers: Align mmaps" before it.
      return needsRegion
        ? "use QEMU 11 or newer, which aligns whole regions; older ones align each mapping by its own size at best"
        : 'use QEMU 9.2 or newer, or a distribution\'s with "vfio/helpers: Align mmaps", which aligns each mapping by its own size';
    case "cloud-hypervisor":
      // "pci: align VFIO MMIO mmap to a huge page boundary", pci/src/mmap.rs.
      return reachedRounded
        ? "use Cloud Hypervisor 53 or newer, which aligns each mapping by its own size, rounded up to a power of two"
        : `Cloud Hypervisor aligns each mapping by itself, from version 53 on, which is not enough for this region: have it ${reserve}`;
    case "crosvm":
      // vm_control/src/lib.rs, map_descriptor: MemoryMappingBuilder without an alignment.
      return `crosvm leaves the address of each mapping to the kernel (map_descriptor in vm_control), and no option changes that: have it ${reserve}`;
    case "dpdk":
    case "spdk":
      // drivers/bus/pci/linux/pci_vfio.c, pci_vfio_map_resource_primary: one BAR behind another, from a hint on.
      return `${program === "dpdk" ? "DPDK" : "SPDK, by DPDK,"} maps BARs one behind another at multiples of a page, and no option changes that: align its reservation in pci_vfio_mmap_bar to ${to}`;
    case "firecracker":
    case "other":
      return `have ${name} ${reserve}`;
  }
}

const OWN_NAMES: Readonly<Partial<Record<Program, string>>> = {
  qemu: "QEMU",
  "cloud-hypervisor": "Cloud Hypervisor",
  crosvm: "crosvm",
  firecracker: "Firecracker",
  dpdk: "DPDK",
  spdk: "SPDK",
};

/** What the program is called in a sentence. */
function nameOf({ program, command }: Pick<ReasonFacts, "program" | "command">): string {
  return OWN_NAMES[program] ?? (command === "" ? "the program" : command);
}

const SETTING = "/sys/kernel/mm/transparent_hugepage/enabled";

/** What to set, what that does to the rest of the machine, and how to keep it. */
export function settingCounsel({
  kernel,
  thp,
  program,
  advised,
}: Pick<ReasonFacts, "kernel" | "thp" | "program" | "advised">): string {
  const who = !advised ? null : program === "qemu" ? "QEMU" : "the program";
  return `Linux ${kernel} asks the setting of transparent huge pages (${thp}) about device memory, too: ${settingTodo(thp, who, "the program")}`;
}

/**
 * What to set.
 *
 * @param asks who asks for huge pages; null where nobody is known to
 * @param whom what to start again: `the program`
 */
export function settingTodo(thp: string | null, asks: string | null, whom: string): string {
  const set = (word: string, effect: string): string =>
    `write ${word} to ${SETTING} (${effect}), keep it with transparent_hugepage=${word} on the kernel's command line, and restart ${whom}`;
  if (thp === "never" && asks !== null)
    return set(
      "madvise",
      `${asks} asks for huge pages itself; other programs get them only where they ask as well`,
    );
  const instead =
    thp === "never"
      ? `or write madvise, and have ${whom} ask with madvise(MADV_HUGEPAGE)`
      : `or have ${whom} ask with madvise(MADV_HUGEPAGE)`;
  return `${set("always", "every program on the machine gets huge pages for its own memory, too")}; ${instead}`;
}

const WAYS: Readonly<Record<string, string>> = {
  sysfs: "sysfs' resource files",
  "proc-bus-pci": "files of /proc/bus/pci",
  uio: "uio devices",
  mem: "/dev/mem",
  egm: "/dev/egm*",
};

/** What to do where kernel, driver or way of mapping have base pages only. */
export function withoutHugeCounsel(facts: ReasonFacts): string {
  const { path, kernel, driver, arch, isPci, device, withoutThp } = facts;
  if (path !== "vfio") return byOtherWay(facts);
  const since = hugePfnmapSince(arch === "" ? null : arch);
  if (since === null)
    return `Linux on ${arch} maps device memory with base pages only, up to the newest: there is nothing to do`;
  if (withoutThp)
    return `Linux ${kernel} is built without transparent huge pages, and so has none for device memory either: use a kernel with CONFIG_TRANSPARENT_HUGEPAGE`;
  if (!isPci && (device !== null || remapsAtOnce(driver)))
    return `${driver ?? "VFIO"} maps its devices with base pages only, up to the newest Linux: there is nothing to do`;
  if (hasOwnMemory(driver)) {
    const newer =
      hasChange(kernel, changes.nvgraceHugeFaults) === true ? "a newer Linux" : "Linux 6.19 or newer";
    return `Linux ${kernel} maps the memory of ${driver} devices with base pages only: use ${newer}`;
  }
  return hasHugePfnmap(kernel, arch === "" ? null : arch) === true
    ? `Linux ${kernel} lays base pages here, though its version has huge pages for device memory: hugebar trace shows what the kernel does while the program starts`
    : `Linux ${kernel} maps device memory with base pages only: use Linux ${since} or newer`;
}

function byOtherWay({ path, isPci, device, driver, program, couldBe, obstacle }: ReasonFacts): string {
  const base = `the kernel maps ${WAYS[path] ?? path} with base pages only`;
  if (device === null && couldBe.length > 0)
    return `${base}: hand each of ${couldBe.join(", ")} to vfio-pci (hugebar bind) and map their regions by VFIO`;
  // Named by its file: whose it is, sysfs does not tell.
  if (path === "uio" && device !== null && /^uio\d+$/.test(device))
    return `${base}, and sysfs does not tell whose ${device} is: if it is a PCI function's, hand that to vfio-pci (hugebar bind) and map its region by VFIO`;
  if (!isPci || device === null) {
    const why =
      path === "mem" || path === "egm"
        ? "and this memory is no BAR of a PCI device, so that VFIO cannot give it"
        : "and vfio-pci takes PCI functions only";
    return `${base}, ${why}: there is nothing to do`;
  }
  if (obstacle === "gone")
    return `${base}, and sysfs does not have ${device}, so that nothing else can be done with it: if it comes back, hand it to vfio-pci (hugebar bind) and map its region by VFIO`;
  if (obstacle === "bridge") return `${base}, and vfio-pci takes no bridges: there is nothing to do`;
  const first = obstacle === "no-iommu" ? "switch its IOMMU on, without which VFIO is not safe, then " : "";
  const own =
    path === "uio" || driver === null || driver === "vfio-pci" ? "" : `, which takes it from ${driver}`;
  const then =
    program === "dpdk" || program === "spdk"
      ? "start the program again, which then takes VFIO"
      : "map its region by VFIO";
  return driver === "vfio-pci"
    ? `${base}: map the region by VFIO instead, which has the device already`
    : `${base}: ${first}hand the device to vfio-pci (hugebar bind ${device}${own}) and ${then}`;
}
