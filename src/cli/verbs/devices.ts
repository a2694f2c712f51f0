/** `hugebar devices`: the PCI devices of this machine, or of a recorded one, and whether VFIO can give them. */

import { devicesJson, devicesText } from "../../report/devices-report.ts";
import { parseBdf } from "../../vfio/sysfs/bdf.ts";
import { listPciDevices, readPciDevice } from "../../vfio/sysfs/pci-device.ts";
import { parseIdFilter, parseSlotFilter } from "../../vfio/sysfs/pci-filter.ts";
import { readPciNames } from "../../vfio/sysfs/pci-names.ts";
import { SYSFS } from "../../vfio/sysfs/sysfs.ts";
import { writeResult, type Output } from "../output.ts";
import type { Arguments } from "../verbs.ts";

export async function run({ options, operands }: Arguments<"devices">, output: Output): Promise<void> {
  const { sys = SYSFS, slot, id } = options;
  const [name] = operands;
  const filters = [
    ...(slot === undefined ? [] : [parseSlotFilter(slot)]),
    ...(id === undefined ? [] : [parseIdFilter(id)]),
  ];
  const listed = name === undefined ? listPciDevices(sys) : [readPciDevice(sys, parseBdf(name))];
  const devices = listed.filter((device) => filters.every((isMeant) => isMeant(device)));
  const names = options.ids === undefined ? readPciNames() : readPciNames([options.ids]);
  // A recorded machine's name and time are below its /proc, which this verb does not read.
  const elsewhere = options.sys === undefined ? {} : { host: null, time: null };
  await writeResult(
    {
      json: () => ({ ...elsewhere, ...devicesJson(devices, names) }),
      text: (layout) => devicesText(devices, names, layout),
    },
    options,
    output,
  );
}
