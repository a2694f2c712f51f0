/** What the kernel itself uses a function for, with no file, disk or interface that would show it. */

import type { MachineRoots } from "../sysfs/machine-roots.ts";
import { readLinkName, readNumber } from "../sysfs/sysfs.ts";
import { portName } from "./machine/port-name.ts";
import { namesIn, textOf } from "./machine/reading.ts";
import { classDevices, leadsThrough, type ClassDevice } from "./machine/sysfs-paths.ts";
import { watchdogsOf } from "./watchdogs.ts";

export function kernelClientUses(roots: MachineRoots, bdf: string): string[] {
  const own = (folder: string): ClassDevice[] =>
    classDevices(roots.sys, folder).filter(({ path }) => leadsThrough(path, bdf));
  return [
    // virtio-iommu, AMD's: all other devices' DMA goes through it.
    ...own("class/iommu").map(({ name }) => `it is an IOMMU of the machine (${name})`),
    ...watchdogsOf(roots, bdf).flatMap(({ name, isActive }) => (isActive ? [`watchdog ${name} runs`] : [])),
    ...dmaUses(own("class/dma")),
    ...fibreChannelTargets(roots, own("class/fc_host")),
    ...xenDomains(roots, bdf),
    ...own("class/udc").flatMap(({ name }) => gadgetsOn(roots, name)),
  ];
}

/** Channels that the kernel's offloads have (MD's parity, NTB): dmaengine.c counts their clients. */
function dmaUses(channels: readonly ClassDevice[]): string[] {
  const taken = channels.filter(({ path }) => (readNumber(path, "in_use") ?? 0) > 0).map(({ name }) => name);
  if (taken.length === 0) return [];
  const more = taken.length > 3 ? ` and ${taken.length - 3} more` : "";
  return [`the kernel uses DMA channel ${taken.slice(0, 3).join(", ")}${more} of it`];
}

/** A host bus adapter that serves disks: LIO's fabrics name their targets by the port (`naa.2100…`), nvmet's by `addr_traddr`. */
function fibreChannelTargets({ sys }: MachineRoots, hosts: readonly ClassDevice[]): string[] {
  const config = `${sys}/kernel/config`;
  return hosts.flatMap(({ path }) => {
    const port = portName(path);
    if (port === null) return [];
    const lio = namesIn(config, "target").flatMap((fabric) =>
      namesIn(config, "target", fabric)
        .filter((name) => name.startsWith("naa.") && name.replaceAll(/^naa\.|:/g, "").toLowerCase() === port)
        .map((name) => `LIO serves disks by its port (${fabric}/${name})`),
    );
    const nvmet = namesIn(config, "nvmet/ports")
      .filter((id) => textOf(config, "nvmet/ports", id, "addr_traddr").toLowerCase().includes(`pn-0x${port}`))
      .map((id) => `nvmet serves disks by its port (${id})`);
    return [...lio, ...nvmet];
  });
}

/** USB the other way round: the machine as a device of another. */
function gadgetsOn({ sys }: MachineRoots, controller: string): string[] {
  const folder = `${sys}/kernel/config/usb_gadget`;
  return namesIn(folder)
    .filter((gadget) => textOf(folder, gadget, "UDC").trim() === controller)
    .map((gadget) => `USB gadget ${gadget} is on it`);
}

/** A domain of Xen's that has functions by pciback: sysfs says that there is one, and not which function it has. */
function xenDomains({ sys }: MachineRoots, bdf: string): string[] {
  const driver = readLinkName(sys, "bus/pci/devices", bdf, "driver");
  if (driver !== "pciback" && driver !== "xen-pciback") return [];
  const domains = classDevices(sys, "bus/xen-backend/devices").flatMap(
    ({ name }) => /^pci-(\d+)-\d+$/.exec(name)?.[1] ?? [],
  );
  return domains.length === 0
    ? []
    : [`it may be with Xen domain ${[...new Set(domains)].join(" or ")}, which has functions by ${driver}`];
}
