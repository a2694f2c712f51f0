/**
 * What the kernel gives to other machines: disks by LIO, nvmet, SCST, RNBD and USB gadgets. Not all of these open a disk
 * exclusively (nvmet_bdev_ns_enable, rnbd_srv_open and LIO's fileio do not), so that an exclusive open says nothing of them.
 */

import { join } from "node:path";
import { isLive, type MachineRoots } from "../../sysfs/machine-roots.ts";
import { readLinkName } from "../../sysfs/sysfs.ts";
import { nodeOf } from "./block-device.ts";
import { deviceNumber } from "./processes.ts";
import { namesIn, textOf } from "./reading.ts";

/** A disk, or another file of the function, by all that tells it. */
export interface Exported {
  /** As messages call it. */
  readonly title: string;
  readonly nodes: ReadonlySet<string>;
  /** `b8:0`, `c21:0`; null where it is not known. */
  readonly number: string | null;
}

/** What is exported, and by whom. */
export interface Export {
  /** Its path below `/dev`. */
  readonly path: string;
  /** `b8:0` where the exporter tells it, or of this machine its file. */
  readonly number: string | null;
  readonly by: string;
}

/** All that the machine exports. */
export function readExports(roots: MachineRoots): Export[] {
  const { sys } = roots;
  const config = join(sys, "kernel/config");
  const all = [...lio(config), ...nvmet(config), ...scst(sys), ...rnbd(sys), ...gadgets(config)];
  return all.map(({ path, number, by }) => ({ path, number: number ?? numberOf(roots, path), by }));
}

/** Who exports it, of `readExports`. */
export function exportsOf(all: readonly Export[], { title, nodes, number }: Exported): string[] {
  const by = all
    .filter((entry) => nodes.has(entry.path) || (number !== null && number === entry.number))
    .map((entry) => entry.by);
  return [...new Set(by)].map((exporter) => `${title} is exported by ${exporter}`);
}

/** Of a name that udev has not told, on this machine. */
function numberOf(roots: MachineRoots, path: string): string | null {
  return isLive(roots) && path.startsWith("/dev/") ? deviceNumber(path) : null;
}

/** What a file says in its first line: SCST's have a second, `[key]`, where the value is not the default one. */
function pathIn(...file: readonly string[]): string {
  return (textOf(...file).split("\n")[0] ?? "").trim();
}

/** `udev_path` is what a program wrote there, maybe nothing; `info` says what the kernel opened (target_core_iblock.c, _file.c). */
function lio(config: string): Export[] {
  const core = join(config, "target/core");
  return namesIn(core).flatMap((backend) =>
    namesIn(core, backend).flatMap((name) => {
      const by = `LIO (${backend}/${name})`;
      const info = textOf(core, backend, name, "info");
      const [, major, minor] = /\bMajor: (\d+) Minor: (\d+)/i.exec(info) ?? [];
      const file = /\bFile: (\S+)/.exec(info)?.[1] ?? "";
      const number = major === undefined || minor === undefined ? null : `b${major}:${minor}`;
      return [
        { path: pathIn(core, backend, name, "udev_path"), number, by },
        { path: file, number: null, by },
      ];
    }),
  );
}

function nvmet(config: string): Export[] {
  const subsystems = join(config, "nvmet/subsystems");
  return namesIn(subsystems).flatMap((nqn) => {
    const by = `nvmet (${nqn})`;
    const namespaces = namesIn(subsystems, nqn, "namespaces").map((id) => `namespaces/${id}`);
    return [...namespaces, "passthru"]
      .filter((folder) => textOf(subsystems, nqn, folder, "enable").trim() !== "0")
      .map((folder) => ({ path: pathIn(subsystems, nqn, folder, "device_path"), number: null, by }));
  });
}

function scst(sys: string): Export[] {
  const devices = join(sys, "kernel/scst_tgt/devices");
  return namesIn(devices).map((name) => ({
    path: pathIn(devices, name, "filename"),
    number: null,
    by: `SCST (${name})`,
  }));
}

/** `ctl/devices/NAME/block_dev` links to the disk (rnbd-srv-sysfs.c). */
function rnbd(sys: string): Export[] {
  const devices = join(sys, "class/rnbd-server/ctl/devices");
  return namesIn(devices).flatMap((name) => {
    const disk = readLinkName(devices, name, "block_dev");
    return disk === null ? [] : [{ path: nodeOf(disk), number: null, by: "RNBD" }];
  });
}

function gadgets(config: string): Export[] {
  const folder = join(config, "usb_gadget");
  return namesIn(folder).flatMap((gadget) =>
    namesIn(folder, gadget, "functions").flatMap((name) =>
      namesIn(folder, gadget, "functions", name)
        .filter((lun) => lun.startsWith("lun."))
        .map((lun) => ({
          path: pathIn(folder, gadget, "functions", name, lun, "file"),
          number: null,
          by: `USB gadget ${gadget}`,
        })),
    ),
  );
}
