/** What there is to say about a machine's devices, the alike ones together. */

import { join } from "node:path";
import { formatSize, GIB } from "../layout/sizes.ts";
import { hasHugePfnmap, hasOwnMemory, hugePfnmapSince } from "../rules/drivers.ts";
import { mapDmaSteps, mapsByType1 } from "../rules/dma-steps.ts";
import type { PciDevice } from "../vfio/sysfs/pci-device.ts";
import { pciDevicePath } from "../vfio/sysfs/pci-device.ts";
import { LARGE_BAR, ROM_INDEX, type PciResource } from "../vfio/sysfs/pci-resources.ts";
import { gathered, shortened, someOf, type Finding } from "./finding.ts";
import type { Machine } from "./proc/machine.ts";
import { readTextOrNull } from "./proc/read-file.ts";

/** Lines of the page for each kind of thing to say. */
const MOST = 5;

export function deviceFindings(machine: Machine, devices: readonly PciDevice[]): Finding[] {
  const found = [
    ...shortened(largeBars(devices), MOST, "hugebar devices"),
    ...shortened(unplacedBars(devices), MOST, "hugebar devices"),
    ...shortened(resizableBars(machine.roots.sys, devices), MOST, "lspci -vv"),
    ...shortened(virtualFunctions(machine.roots.sys, devices), MOST, "lspci -vv"),
  ];
  if (found.length > 0) return found;
  return [note(`No PCI device has a BAR of ${formatSize(LARGE_BAR)} or more`, null)];
}

/** What mapping the large BARs for DMA takes at the start of a virtual machine; none where nobody would. */
export function dmaFindings(
  { kernel, arch, model, withoutThp }: Machine,
  devices: readonly PciDevice[],
): Finding[] {
  const bars = devices
    .filter(({ boundToVfio }) => boundToVfio)
    .flatMap((device) => memoryBars(device).filter(({ size }) => size >= LARGE_BAR));
  if (bars.length === 0 || model === null || !mapsByType1(model)) return [];
  const hasHuge = !withoutThp && hasHugePfnmap(kernel, arch === "" ? null : arch) !== false;
  const bytes = bars.reduce((sum, { size }) => sum + size, 0);
  const leaf = model.pudLeaf ? model.pudSize : model.pmdSize;
  const leaves = bars.map(({ size }) => {
    const unit = !hasHuge ? model.pageSize : size % leaf === 0 ? leaf : model.pmdSize;
    return { size: unit, count: size / unit };
  });
  const { least, most, byLeaf } = mapDmaSteps(kernel, leaves, model.pageSize, { touched: true });
  const each = (count: number): string => String(count).replaceAll(/\B(?=(?:\d{3})+$)/g, ",");
  const what = `Mapping the large BARs of VFIO's devices for DMA (${roughly(bytes)})`;
  const when = "whenever a guest's firmware or kernel switches memory decoding on";
  if (byLeaf === true && hasHuge)
    return [
      iommu("good", `${what} takes ${each(most)} steps on this kernel, one a huge page, ${when}`, null),
    ];
  const since = hugePfnmapSince(arch === "" ? null : arch) === "7.2" ? "7.2" : "6.15";
  const newer = `use Linux ${since} or newer, where it takes a step a huge page`;
  if (byLeaf === false || !hasHuge)
    return [
      iommu(
        "note",
        `${what} takes ${each(most)} steps on this kernel, one a base page, ${when}, which slows the start of virtual machines`,
        newer,
      ),
    ];
  return [
    iommu(
      "note",
      `${what} takes ${each(least)} to ${each(most)} steps, ${when}; which, this kernel's version does not say`,
      newer,
    ),
  ];
}

/** Many BARs together may be no whole number of any unit. */
function roughly(bytes: number): string {
  const exact = formatSize(bytes);
  if (!exact.startsWith("0x")) return exact;
  const unit = bytes < 8 * 1024 * GIB ? GIB : 1024 * GIB;
  return `some ${formatSize(Math.round(bytes / unit) * unit)}`;
}

function largeBars(devices: readonly PciDevice[]): Finding[] {
  const large = devices.flatMap((device) => {
    const bars = memoryBars(device).filter(({ size, address }) => size >= LARGE_BAR && address > 0n);
    const own = bars.length === 0 && hasOwnMemory(device.driver);
    if (bars.length === 0 && !own) return [];
    const sizes = own
      ? "regions of memory that is no BAR"
      : bars.map(({ index, size }) => `region ${index} of ${formatSize(size)}`).join(", ");
    return [{ bdf: device.bdf, text: `${sizes}; ${useOf(device)}` }];
  });
  return gathered(large, ({ text }) => text).map((alike) =>
    good(`${someOf(alike.map(({ bdf }) => bdf))}: ${alike[0]?.text ?? ""}`),
  );
}

function useOf({ driver, boundToVfio }: PciDevice): string {
  if (driver === null) return "no driver";
  return boundToVfio ? `${driver}, ready for programs` : driver;
}

/** IORESOURCE_UNSET, or no address at all: the BAR is there and nothing reaches it. */
function unplacedBars(devices: readonly PciDevice[]): Finding[] {
  const unplaced = devices.flatMap((device) => {
    const bars = memoryBars(device).filter(({ address }) => address === 0n);
    if (bars.length === 0) return [];
    const sizes = bars.map(({ index, size }) => `region ${index} of ${formatSize(size)}`).join(", ");
    return [{ bdf: device.bdf, sizes, isLarge: bars.some(({ size }) => size >= LARGE_BAR) }];
  });
  return gathered(unplaced, ({ sizes }) => sizes).map((alike): Finding => {
    const [first] = alike;
    return {
      topic: "device",
      state: first?.isLarge === true ? "problem" : "note",
      text: `${someOf(alike.map(({ bdf }) => bdf))}: ${first?.sizes ?? ""}; the kernel found no place for it`,
      todo: "give PCI more address space (Above 4G decoding, Resizable BAR in the firmware), or pci=realloc on the kernel's command line",
    };
  });
}

/** BARs that could be larger: `resourceN_resize` has a bit for each size, the lowest for 1 MiB (Documentation/ABI, sysfs-bus-pci). */
function resizableBars(sys: string, devices: readonly PciDevice[]): Finding[] {
  const resizable = devices.flatMap((device) =>
    memoryBars(device).flatMap(({ index, size }) => {
      const text =
        readTextOrNull(join(pciDevicePath(sys, device.bdf), `resource${index}_resize`), 64)?.trim() ?? "";
      const sizes = /^[0-9a-f]{1,16}$/i.test(text) ? BigInt(`0x${text}`) : 0n;
      if (sizes === 0n) return [];
      const bit = sizes.toString(2).length - 1;
      const largest = 2 ** (bit + 20);
      if (largest <= size || largest < LARGE_BAR) return [];
      return [
        {
          bdf: device.bdf,
          index,
          bit,
          text: `region ${index} has ${formatSize(size)} and could have ${formatSize(largest)}`,
        },
      ];
    }),
  );
  return gathered(resizable, ({ text }) => text).map((alike) => {
    const [first] = alike;
    const file = `/sys/bus/pci/devices/${first?.bdf ?? ""}/resource${first?.index ?? 0}_resize`;
    return note(
      `${someOf(alike.map(({ bdf }) => bdf))}: ${first?.text ?? ""} (Resizable BAR)`,
      `switch Resizable BAR on in the firmware, or, with no driver bound, write ${first?.bit ?? 0} to ${file}`,
    );
  });
}

function virtualFunctions(sys: string, devices: readonly PciDevice[]): Finding[] {
  const able = devices.flatMap(({ bdf }) => {
    const [now, total] = ["sriov_numvfs", "sriov_totalvfs"].map((name) =>
      Number(readTextOrNull(join(pciDevicePath(sys, bdf), name), 64) ?? 0),
    );
    return total === undefined || !(total > 0)
      ? []
      : [{ bdf, text: `${now ?? 0} of ${total} virtual functions are on` }];
  });
  return gathered(able, ({ text }) => text).map((alike) =>
    good(`${someOf(alike.map(({ bdf }) => bdf))}: ${alike[0]?.text ?? ""}`),
  );
}

function memoryBars({ resources }: PciDevice): PciResource[] {
  return resources.filter(({ kind, index }) => kind === "memory" && index < ROM_INDEX);
}

function good(text: string): Finding {
  return { topic: "device", state: "good", text, todo: null };
}

function note(text: string, todo: string | null): Finding {
  return { topic: "device", state: "note", text, todo };
}

function iommu(state: Finding["state"], text: string, todo: string | null): Finding {
  return { topic: "iommu", state, text, todo };
}
