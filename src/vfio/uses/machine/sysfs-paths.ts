/** Where things are in sysfs's tree of devices: the class folders' links say it. */

import { readlinkSync } from "node:fs";
import { join, resolve } from "node:path";
import { isErrno, readFolder } from "../../sysfs/sysfs.ts";

/** A name in a class folder, and its folder in the tree of devices. */
export interface ClassDevice {
  readonly name: string;
  readonly path: string;
}

/** The devices of a class, `class/net`. A link is followed as text: of a recorded machine its end may be missing. */
export function classDevices(sys: string, folder: string): ClassDevice[] {
  return (readFolder(sys, folder) ?? []).map((name) => ({ name, path: followLink(join(sys, folder, name)) }));
}

/** What a link points to, and the path itself where it is no link. */
export function followLink(path: string): string {
  try {
    return resolve(path, "..", readlinkSync(path));
  } catch (error) {
    if (isErrno(error, "EINVAL", "ENOENT", "ENOTDIR", "ENODEV")) return path;
    throw error;
  }
}

/** Whether a path of sysfs leads through a folder of that name: the device `name`, or something below it. */
export function leadsThrough(path: string, name: string): boolean {
  return path.split("/").includes(name);
}
