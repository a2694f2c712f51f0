/** A device as its server keeps it, built from its author's description. */

import { hugebarError } from "../../errors.ts";
import {
  VFIO_PCI_CONFIG_REGION_INDEX,
  VFIO_PCI_ERR_IRQ_INDEX,
  VFIO_PCI_INTX_IRQ_INDEX,
  VFIO_PCI_MSI_IRQ_INDEX,
  VFIO_PCI_MSIX_IRQ_INDEX,
  VFIO_PCI_NUM_REGIONS,
  VFIO_PCI_REQ_IRQ_INDEX,
} from "../../device/transport/vfio-abi.ts";
import type { DeviceDescription } from "./device-description.ts";
import { ServedMigration } from "./migration/served-migration.ts";
import { DeviceLife } from "./device-life.ts";
import { layMsixStructures, type MsixStructures } from "./pci/msix-structures.ts";
import { decodeBars } from "./pci/bar-access.ts";
import { barsOf, refuseBars, type BarShape } from "./pci/bars.ts";
import { pciConfigSpace, type PciConfigSpace, type PciDescription } from "./pci/pci-config-space.ts";
import { ServedInterrupts } from "./parts/served-interrupts.ts";
import { absentRegion, serveRegion, type ServedRegion } from "./parts/served-region.ts";

export interface ServedDevice {
  /** All regions by index, those that the author left out included. */
  readonly regions: readonly ServedRegion[];
  readonly interrupts: ServedInterrupts;
  /** Whether files that clients pass along for DMA are left alone. */
  readonly dmaByMessages: boolean;
  /** Whether the client lets it do DMA and signal interrupts by messages. */
  mastersBus(): boolean;
  /** Null where its state cannot be moved. */
  readonly migration: ServedMigration | null;
  readonly life: DeviceLife;
  /** Tells the author of what fails where no client waits for it. */
  report(error: unknown): void;
  /** Gives back what was made for the device. */
  release(): void;
}

/**
 * @param socket where it is to be served
 * @param onError told of what the author's own functions throw where no client waits for them
 * @throws ERR_ARGUMENT, ERR_REGION_LAYOUT when the device cannot be as its author describes it; ERR_SYSTEM when the
 *   kernel refuses its memory.
 */
export function buildDevice(
  description: DeviceDescription,
  socket: string,
  onError: (error: unknown) => void,
): ServedDevice {
  const described = serveRegions(description, socket);
  try {
    return assemble(description, described, onError);
  } catch (error) {
    releaseAll(described);
    throw error;
  }
}

function assemble(
  description: DeviceDescription,
  described: readonly ServedRegion[],
  onError: (error: unknown) => void,
): ServedDevice {
  const { pci } = description;
  if (pci === undefined) refuseBars(description.regions);
  const bars = pci === undefined ? [] : barsOf(description.regions, (index) => described[index]?.size ?? 0);
  const msix = layMsix(pci, described, bars);
  const config = pci === undefined ? null : pciConfigSpace(pci, bars);
  const interrupts = new ServedInterrupts(interruptCounts(pci), config?.intx ?? null);
  const migration = description.migration === undefined ? null : new ServedMigration(description.migration);
  const resetOwn = (): void => {
    config?.reset();
    msix.reset();
    interrupts.reset();
  };
  const life = new DeviceLife(description, { migration, resetOwn }, onError);
  return {
    regions:
      config === null
        ? msix.regions
        : withConfigSpace(decodeBars(msix.regions, bars, config), config, { life, interrupts }),
    interrupts,
    dmaByMessages: description.dmaByMessages ?? false,
    mastersBus: () => config?.mastersBus() ?? true,
    migration,
    life,
    report: onError,
    release() {
      releaseAll(described);
    },
  };
}

function serveRegions({ regions }: DeviceDescription, socket: string): ServedRegion[] {
  const served = Array.from({ length: VFIO_PCI_NUM_REGIONS }, (_, index) => absentRegion(index));
  const seen = new Set<number>();
  try {
    for (const region of regions) {
      checkIndex(region.index, seen);
      served[region.index] = serveRegion(region, socket);
    }
    return served;
  } catch (error) {
    releaseAll(served);
    throw error;
  }
}

function checkIndex(index: number, seen: Set<number>): void {
  const what = `region ${index}`;
  if (!Number.isInteger(index) || index < 0 || index >= VFIO_PCI_NUM_REGIONS) {
    const problem = `a PCI device has regions 0 to ${VFIO_PCI_NUM_REGIONS - 1}`;
    throw hugebarError("ERR_ARGUMENT", { what, problem });
  }
  if (seen.has(index)) throw hugebarError("ERR_ARGUMENT", { what, problem: "it is described twice" });
  seen.add(index);
}

function interruptCounts(pci: PciDescription | undefined): ReadonlyMap<number, number> {
  const counts = new Map<number, number>();
  if (pci === undefined) return counts;
  // Every PCI device has these two: the kernel's VFIO gives them to it, and QEMU warns where they are missing.
  counts.set(VFIO_PCI_ERR_IRQ_INDEX, 1).set(VFIO_PCI_REQ_IRQ_INDEX, 1);
  if (pci.intx === true) counts.set(VFIO_PCI_INTX_IRQ_INDEX, 1);
  for (const capability of pci.capabilities ?? []) {
    if (capability.type === "msi") counts.set(VFIO_PCI_MSI_IRQ_INDEX, capability.vectors);
    if (capability.type === "msix") counts.set(VFIO_PCI_MSIX_IRQ_INDEX, capability.vectors);
  }
  return counts;
}

function layMsix(
  pci: PciDescription | undefined,
  regions: readonly ServedRegion[],
  bars: readonly BarShape[],
): MsixStructures {
  const msix = pci?.capabilities?.find((capability) => capability.type === "msix");
  return msix === undefined ? { regions, reset: () => {} } : layMsixStructures(regions, bars, msix);
}

/** Puts configuration space where VFIO has it. */
function withConfigSpace(
  regions: readonly ServedRegion[],
  config: PciConfigSpace,
  { life, interrupts }: Pick<ServedDevice, "life" | "interrupts">,
): ServedRegion[] {
  const index = VFIO_PCI_CONFIG_REGION_INDEX;
  if ((regions[index]?.size ?? 0) > 0) {
    const problem = "the device's `pci` already makes one";
    throw hugebarError("ERR_ARGUMENT", { what: `region ${index} as configuration space`, problem });
  }
  const region = serveRegion({
    index,
    size: config.size,
    read: (offset, target, client) => config.read(offset, target, client),
    async write(offset, source, client) {
      const reset = await config.write(offset, source, client);
      interrupts.release();
      if (reset !== null) await life.reset(client, reset);
    },
  });
  return regions.with(index, region);
}

function releaseAll(regions: readonly ServedRegion[]): void {
  for (const region of regions) region.release();
}
