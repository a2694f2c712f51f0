/** Disks that the kernel gives to other machines: LIO, nvmet, SCST, USB gadgets. They are set up in configfs. */

import { join } from "node:path";
import type { MachineRoots } from "../sysfs/machine-roots.ts";
import { titleOf } from "./block-devices.ts";
import type { NamedDisk } from "./named-disks.ts";
import { namesIn, textOf } from "./reading.ts";

/** A file that holds a disk's path, and what exports it then. */
interface Export {
  readonly file: readonly string[];
  readonly by: string;
}

export function exportsOf({ sys }: MachineRoots, disk: NamedDisk): string[] {
  return allExports(sys)
    .filter(({ file }) => disk.nodes.has(textOf(...file).trim()))
    .map(({ by }) => `${titleOf(disk)} is exported by ${by}`);
}

function allExports(sys: string): Export[] {
  const config = join(sys, "kernel/config");
  return [...lio(config), ...nvmet(config), ...scst(sys), ...gadgets(config)];
}

function lio(config: string): Export[] {
  const core = join(config, "target/core");
  return namesIn(core).flatMap((backend) =>
    namesIn(core, backend).map((name) => ({
      file: [core, backend, name, "udev_path"],
      by: `LIO (${backend}/${name})`,
    })),
  );
}

function nvmet(config: string): Export[] {
  const subsystems = join(config, "nvmet/subsystems");
  return namesIn(subsystems).flatMap((nqn) => {
    const by = `nvmet (${nqn})`;
    const namespaces = namesIn(subsystems, nqn, "namespaces").map((id) => `namespaces/${id}`);
    return [...namespaces, "passthru"]
      .filter((folder) => textOf(subsystems, nqn, folder, "enable").trim() !== "0")
      .map((folder) => ({ file: [subsystems, nqn, folder, "device_path"], by }));
  });
}

function scst(sys: string): Export[] {
  const devices = join(sys, "kernel/scst_tgt/devices");
  return namesIn(devices).map((name) => ({ file: [devices, name, "filename"], by: `SCST (${name})` }));
}

function gadgets(config: string): Export[] {
  const folder = join(config, "usb_gadget");
  return namesIn(folder).flatMap((gadget) =>
    namesIn(folder, gadget, "functions").flatMap((name) =>
      namesIn(folder, gadget, "functions", name)
        .filter((lun) => lun.startsWith("lun."))
        .map((lun) => ({
          file: [folder, gadget, "functions", name, lun, "file"],
          by: `USB gadget ${gadget}`,
        })),
    ),
  );
}
