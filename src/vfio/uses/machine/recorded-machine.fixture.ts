/** Machines for the tests of uses: functions, and the files that matter. */

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { linux } from "../../../system/libc.ts";
import { recordFiles, recordMachine, type MachineDevice } from "../../sysfs/machine.fixture.ts";
import { surveyOf, type Survey } from "./survey.ts";

export const BDF = "0000:01:00.0";
/** Where it is at home in sysfs. */
export const HOME = `devices/pci0000:00/${BDF}`;

/** Where another function is at home. */
export const OTHER_HOME = "devices/pci0000:00/0000:02:00.0";

export interface Recorded {
  readonly devices?: readonly MachineDevice[];
  /** Below `/sys`. */
  readonly sys?: Readonly<Record<string, string | null>>;
  /** Below `/proc`. */
  readonly proc?: Readonly<Record<string, string | null>>;
  /** Below `/`. */
  readonly root?: Readonly<Record<string, string | Uint8Array | null>>;
}

/** The machine lies in a folder of its own: `run` and `etc` stand beside `sys`. */
export function recorded(test: Pick<TestContext, "after">, machine: Recorded): Survey {
  const { devices = [{ bdf: BDF, driver: "nvme" }] } = machine;
  const sys = recordMachine(test, devices);
  const root = join(sys, "..");
  const proc = join(root, "proc");
  mkdirSync(proc);
  recordFiles(sys, machine.sys ?? {});
  recordFiles(proc, machine.proc ?? {});
  recordFiles(root, machine.root ?? {});
  return surveyOf({ sys, proc }, linux);
}

/** A device of a class or of a bus, and the link to it. */
export function placed(
  folder: string,
  home: string,
  files: Readonly<Record<string, string | null>> = {},
): Record<string, string | null> {
  const name = home.split("/").at(-1) ?? "";
  return {
    [`${folder}/${name}`]: `-> ${"../".repeat(folder.split("/").length)}${home}`,
    ...Object.fromEntries(Object.entries(files).map(([path, content]) => [`${home}/${path}`, content])),
  };
}

/** A block device: its folder in the tree of devices, and the link to it. */
export function block(
  home: string,
  number: string,
  files: Readonly<Record<string, string | null>> = {},
): Record<string, string | null> {
  return placed("class/block", home, { dev: `${number}\n`, ...files });
}

/** A device of the virtio bus with its driver. */
export function virtio(
  driver: string,
  home: string,
  files: Readonly<Record<string, string>> = {},
): Record<string, string | null> {
  return placed("bus/virtio/devices", home, {
    ...files,
    driver: `-> ../../../../bus/virtio/drivers/${driver}`,
  });
}

/** A line of `mountinfo`. */
export function mount(number: string, point: string, type: string, source: string, options = "rw"): string {
  return `30 1 ${number} / ${point} rw,relatime shared:1 - ${type} ${source} ${options}\n`;
}
