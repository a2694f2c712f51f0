/** What a PCI function does for its machine right now, so that nobody hands it over by accident. */

import type { MachineRoots } from "./sysfs/machine-roots.ts";
import { readLinkName } from "./sysfs/sysfs.ts";
import { consoleUses } from "./uses/console.ts";
import { openFileUses } from "./uses/device-files.ts";
import { diskUses } from "./uses/disks/disks.ts";
import { kernelClientUses } from "./uses/kernel-clients.ts";
import { memoryUses } from "./uses/memory.ts";
import { shareUses } from "./uses/disks/mounted-shares.ts";
import { namedDisks } from "./uses/disks/named-disks.ts";
import { flashUses } from "./uses/disks/flash.ts";
import { allFindings, type Findings } from "./uses/machine/findings.ts";
import { networkUses } from "./uses/network.ts";
import { functionsBelow, mediatedDevices, virtualFunctionCount, virtualFunctions } from "./uses/pci-below.ts";
import { processTitles } from "./uses/machine/processes.ts";
import type { Survey } from "./uses/machine/survey.ts";
import { vsockUses } from "./uses/vsock.ts";
import { holdersOf, vfioFiles } from "./uses/vfio-holders.ts";

export type { MachineRoots } from "./sysfs/machine-roots.ts";

/**
 * The uses of a function that losing it would hurt: its disks and network interfaces, programs that have its files open,
 * the console, and the functions that it carries. Not the VFIO files of the function itself: `vfioHolders`.
 */
export function deviceUses(survey: Survey, bdf: string): Findings {
  const { roots } = survey;
  const disks = namedDisks(roots, bdf);
  return allFindings([
    diskUses(survey, disks),
    networkUses(survey, bdf),
    openFileUses(survey, bdf, disks),
    vsockUses(roots, bdf),
    {
      uses: [
        ...shareUses(roots, bdf, survey.mounts().mounts),
        ...flashUses(roots, bdf, survey.mounts().mounts),
        ...memoryUses(roots, bdf),
        ...kernelClientUses(roots, bdf),
        ...consoleUses(roots, bdf),
        ...carriedUses(survey, bdf),
      ],
      unknown: [],
    },
    virtualFunctionUses(survey, bdf),
  ]);
}

/** The function's virtual functions, which go with it, and what uses these. */
export function virtualFunctionUses(survey: Survey, bdf: string): Findings {
  const { roots } = survey;
  const vfs = virtualFunctions(roots, bdf);
  const count = Math.max(vfs.length, virtualFunctionCount(roots, bdf));
  if (count === 0) return { uses: [], unknown: [] };
  const unseen = count - vfs.length;
  const named = [...vfs.map((vf) => functionTitle(survey, vf)), ...(unseen > 0 ? [`${unseen} unseen`] : [])];
  const carried = `it has ${count} virtual function${plural(count)}: ${shortList(named)}`;
  return allFindings([{ uses: [carried], unknown: [] }, ...vfs.map((vf) => usesOfOther(survey, vf))]);
}

/** The processes that hold the function's VFIO files open, as far as this user may look. */
export function vfioHolders({ roots, held }: Survey, bdf: string): number[] {
  return holdersOf(vfioFiles(roots, bdf), held().files);
}

function usesOfOther(survey: Survey, bdf: string): Findings {
  const { uses, unknown } = deviceUses(survey, bdf);
  return { uses: uses.map((use) => `of ${bdf}: ${use}`), unknown };
}

/** What else goes when the function goes. */
function carriedUses(survey: Survey, bdf: string): string[] {
  const { roots } = survey;
  const below = functionsBelow(roots, bdf);
  return [
    ...(below.length === 0
      ? []
      : [
          `PCI devices hang below it, which go with it: ${shortList(below.map((other) => functionTitle(survey, other)))}`,
        ]),
    ...mediatedDevices(roots, bdf).map(({ uuid, group }) => {
      const pids = group === null ? [] : holdersOf(new Set([`/dev/vfio/${group}`]), survey.held().files);
      return `it carries mediated device ${uuid}${heldBy(roots, pids)}`;
    }),
  ];
}

/** `0000:4b:01.0 (vfio-pci, held by process 4242 (qemu-system-x86))` */
function functionTitle(survey: Survey, bdf: string): string {
  const driver = readLinkName(survey.roots.sys, "bus/pci/devices", bdf, "driver");
  const pids = vfioHolders(survey, bdf);
  const details = `${driver ?? "no driver"}${heldBy(survey.roots, pids)}`;
  return `${bdf} (${details})`;
}

function heldBy(roots: MachineRoots, pids: readonly number[]): string {
  return pids.length === 0 ? "" : `, held by ${processTitles(roots, pids)}`;
}

/** The first eight by name. */
function shortList(names: readonly string[]): string {
  const more = names.length - 8;
  return more > 0 ? `${names.slice(0, 8).join(", ")} and ${more} more` : names.join(", ");
}

function plural(count: number): string {
  return count === 1 ? "" : "s";
}
