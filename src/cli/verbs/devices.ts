/** `hugebar devices`: the PCI devices of this machine, or of a recorded one, and whether VFIO can give them. */

import { formatSize } from "../../layout/sizes.ts";
import { renderTable } from "../../report/text/table.ts";
import { parseBdf } from "../../vfio/bdf.ts";
import { listPciDevices, readPciDevice, type PciDevice } from "../../vfio/pci-device.ts";
import { ROM_INDEX, type PciResource } from "../../vfio/pci-resources.ts";
import { SYSFS } from "../../vfio/sysfs.ts";
import { writeResult, type Output } from "../output.ts";
import type { Arguments } from "../verbs.ts";

export async function run({ options, operands }: Arguments<"devices">, output: Output): Promise<void> {
  const { sys = SYSFS } = options;
  const [name] = operands;
  const devices = name === undefined ? listPciDevices(sys) : [readPciDevice(sys, parseBdf(name))];
  await writeResult({ json: () => devicesJson(devices), text: () => devicesText(devices) }, options, output);
}

function devicesJson(devices: readonly PciDevice[]): unknown {
  return {
    schemaVersion: 1,
    devices: devices.map((device) => ({
      device: device.bdf,
      vendorId: hex(device.vendor, 4),
      deviceId: hex(device.device, 4),
      class: hex(device.class, 6),
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
      })),
    })),
  };
}

/** A line for each device, and one more for each further region of it. */
function devicesText(devices: readonly PciDevice[]): string {
  if (devices.length === 0) return "No PCI devices.\n";
  return renderTable(
    [
      { title: "DEVICE", align: "left" },
      { title: "ID", align: "left" },
      { title: "CLASS", align: "left" },
      { title: "DRIVER", align: "left" },
      { title: "VFIO", align: "left" },
      { title: "GROUP", align: "right" },
      { title: "NUMA", align: "right" },
      { title: "BAR", align: "right" },
      { title: "SIZE", align: "right" },
      { title: "KIND", align: "left" },
    ],
    devices.flatMap(deviceRows),
  );
}

function deviceRows(device: PciDevice): string[][] {
  const [first, ...others] = device.resources;
  const cells = [
    device.bdf,
    `${digits(device.vendor, 4)}:${digits(device.device, 4)}`,
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

function resourceCells({ index, size, kind, is64Bit, prefetchable }: PciResource): string[] {
  const traits = [
    kind === "io" ? "I/O ports" : "memory",
    is64Bit && "64-bit",
    prefetchable && "prefetchable",
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
