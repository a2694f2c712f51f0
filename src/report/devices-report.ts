/** PCI devices as text and JSON. */

import { formatSize } from "../layout/sizes.ts";
import type { PciDevice } from "../vfio/sysfs/pci-device.ts";
import type { PciNames } from "../vfio/sysfs/pci-names.ts";
import { ROM_INDEX, type PciResource } from "../vfio/sysfs/pci-resources.ts";
import { tableText, type FittedColumn } from "./text/fitted-table.ts";
import { printable } from "./text/printable.ts";
import type { TextLayout } from "./text/text-layout.ts";

/** @param names null keys where no pci.ids is installed */
export function devicesJson(devices: readonly PciDevice[], names: PciNames): object {
  return {
    schemaVersion: 1,
    devices: devices.map((device) => ({
      device: device.bdf,
      vendorId: hex(device.vendor, 4),
      deviceId: hex(device.device, 4),
      class: hex(device.class, 6),
      vendorName: names.vendor(device.vendor),
      deviceName: names.device(device.vendor, device.device),
      className: names.class(device.class),
      driver: device.driver,
      boundToVfio: device.boundToVfio,
      cdev: device.cdev,
      iommuGroup: device.iommuGroup,
      numaNode: device.numaNode,
      regions: device.resources.map(({ index, address, size, is64Bit, prefetchable, kind }) => ({
        index,
        kind: index === ROM_INDEX ? "rom" : kind,
        address: `0x${address.toString(16)}`,
        size,
        is64Bit,
        prefetchable,
        placed: address > 0n,
      })),
    })),
  };
}

/** A line for each device, and one more for each further region of it. */
export function devicesText(devices: readonly PciDevice[], names: PciNames, layout: TextLayout): string {
  if (devices.length === 0) return "No PCI devices.\n";
  const rows = devices.flatMap((device) => deviceRows(device, names));
  // Without pci.ids nothing has a name.
  const named = rows.some((row) => (row[2] ?? "") !== "");
  const shown = COLUMNS.filter(({ title }) => named || title !== "NAME");
  const cells = named ? rows : rows.map((row) => row.toSpliced(2, 1));
  return tableText(shown, cells, layout);
}

const COLUMNS: readonly FittedColumn[] = [
  { title: "DEVICE", align: "left" },
  { title: "ID", align: "left", dispensable: 3 },
  { title: "NAME", align: "left", shrinksTo: 16, dispensable: 2 },
  { title: "CLASS", align: "left", dispensable: 5 },
  { title: "DRIVER", align: "left", shrinksTo: 8 },
  { title: "VFIO", align: "left" },
  { title: "GROUP", align: "right", dispensable: 1 },
  { title: "NUMA", align: "right", dispensable: 6 },
  { title: "BAR", align: "right" },
  { title: "SIZE", align: "right" },
  { title: "KIND", align: "left", dispensable: 4 },
];

function deviceRows(device: PciDevice, names: PciNames): string[][] {
  const [first, ...others] = device.resources;
  const name = [names.vendor(device.vendor), names.device(device.vendor, device.device)];
  const cells = [
    device.bdf,
    `${digits(device.vendor, 4)}:${digits(device.device, 4)}`,
    printable(name.filter((part) => part !== null).join(" ")),
    digits(device.class, 6),
    device.driver ?? "-",
    device.boundToVfio ? (device.cdev ?? "yes") : "-",
    orDash(device.iommuGroup),
    orDash(device.numaNode),
  ];
  const blank = cells.map(() => "");
  return [
    cells.concat(first === undefined ? ["-", "", ""] : resourceCells(first)),
    ...others.map((resource) => blank.concat(resourceCells(resource))),
  ];
}

function resourceCells({ index, address, size, kind, is64Bit, prefetchable }: PciResource): string[] {
  const traits = [
    kind === "io" ? "I/O ports" : "memory",
    is64Bit && "64-bit",
    prefetchable && "prefetchable",
    address === 0n && index !== ROM_INDEX && "no address",
  ];
  return [
    index === ROM_INDEX ? "ROM" : String(index),
    formatSize(size),
    traits.filter((trait) => trait !== false).join(", "),
  ];
}

function orDash(value: number | null): string {
  return value === null ? "-" : String(value);
}

function hex(value: number, width: number): string {
  return `0x${digits(value, width)}`;
}

function digits(value: number, width: number): string {
  return value.toString(16).padStart(width, "0");
}
