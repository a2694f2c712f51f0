/** Carries out what `plan.ts` laid down, and puts back what fails half-way. */

import { hugebarError, HugebarError } from "../../errors.ts";
import { errnoInWords, failureInWords } from "../../system/errno.ts";
import { SystemCallError } from "../../system/system.ts";
import { vfioHolders, type MachineRoots } from "../device-uses.ts";
import { isLive } from "../sysfs/machine-roots.ts";
import { findPciDevice, readPciDevice } from "../sysfs/pci-device.ts";
import { readFolder } from "../sysfs/sysfs.ts";
import { nodeOf } from "../uses/machine/block-device.ts";
import { openFileUses } from "../uses/device-files.ts";
import { namedDisks } from "../uses/disks/named-disks.ts";
import { claimDisk } from "../uses/disks/exclusive-open.ts";
import { processTitles } from "../uses/machine/processes.ts";
import { surveyOf, type Survey } from "../uses/machine/survey.ts";
import { isSameDriver, VFIO_PCI } from "./choose-driver.ts";
import { overrideWrite, probe, release, type BindStep, type SysfsWrite } from "./plan.ts";
import { StillWaiting, type Hands } from "./write-attribute.ts";

/** One device that changed hands. */
export interface BoundDevice {
  readonly bdf: string;
  readonly from: string | null;
  /** The driver it has now. */
  readonly to: string | null;
}

export interface CarryOutOptions {
  /** Also disks that somebody has taken since the plan was made. */
  readonly force?: boolean;
  /** Asked between two writes: whether to stop, as after a signal. What was begun is put back then. */
  readonly stop?: () => boolean;
}

/**
 * Loads the modules that the steps need.
 *
 * @throws ERR_NOT_SUPPORTED where the kernel has no such driver.
 */
export async function loadDrivers(
  steps: readonly BindStep[],
  { sys }: MachineRoots,
  hands: Hands,
): Promise<void> {
  for (const { bdf, module } of steps) {
    if (module === null || readFolder(sys, "bus/pci/drivers", module) !== null) continue;
    if (await hands.load(module)) continue;
    const instead = isSameDriver(module, VFIO_PCI) ? "" : `; --driver ${VFIO_PCI} takes the general one`;
    throw hugebarError("ERR_NOT_SUPPORTED", {
      action: `bind ${bdf}`,
      problem: `the kernel has no driver ${module}, and \`modprobe ${module}\` fails${instead}`,
    });
  }
}

/**
 * Makes the writes of the steps and looks whether each device has the driver meant. If one fails, it and those before it
 * are given back to the drivers they had, and the error says what came of that.
 *
 * @throws ERR_PERMISSION; ERR_BUSY when the kernel waits for somebody, or a disk has been taken meanwhile; ERR_SYSTEM
 *   when a write fails or the kernel gives the device to another driver.
 */
export async function carryOut(
  steps: readonly BindStep[],
  survey: Survey,
  hands: Hands,
  options: CarryOutOptions = {},
): Promise<BoundDevice[]> {
  const bound: BoundDevice[] = [];
  const begun: BindStep[] = [];
  for (const step of steps) {
    const action = actionOf(step);
    try {
      const claims = options.force === true || step.to === null ? [] : claimDisks(step, survey);
      try {
        begun.unshift(step);
        for (const write of step.writes) {
          if (options.stop?.() === true) throw interrupted(action);
          await writeAttribute(write, action, hands);
        }
      } finally {
        for (const fd of claims) survey.system.close(fd);
      }
      bound.push(outcome(step, survey.roots, action));
    } catch (error) {
      throw await putBack(error, action, begun, survey, hands);
    }
  }
  return bound;
}

function actionOf({ bdf, to }: BindStep): string {
  return to === null ? `unbind ${bdf}` : `bind ${bdf}`;
}

/** While these are open, nobody mounts the disks or builds on them: between the look and the unbinding nothing comes. */
function claimDisks(step: BindStep, { roots, system }: Survey): number[] {
  if (!isLive(roots)) return [];
  const claims: number[] = [];
  for (const disk of namedDisks(roots, step.bdf)) {
    // Who has its partitions has the disk: the two cannot be claimed apart.
    if (disk.number === null || hasPartitions(disk)) continue;
    const claim = claimDisk(disk, system);
    if (typeof claim === "number") claims.push(claim);
    else if (claim === "EBUSY") {
      for (const fd of claims) system.close(fd);
      throw hugebarError("ERR_BUSY", {
        action: actionOf(step),
        problem: `${nodeOf(disk.name)} has been taken into use just now`,
      });
    }
  }
  return claims;
}

function hasPartitions({ name, path }: { readonly name: string; readonly path: string }): boolean {
  return (readFolder(path) ?? []).some((entry) => entry.startsWith(name));
}

function outcome(step: BindStep, { sys }: MachineRoots, action: string): BoundDevice {
  const { bdf, from, to } = step;
  const { driver } = readPciDevice(sys, bdf);
  if (to !== null && driver !== to) {
    const problem = `${driver ?? "no driver"} took it instead of ${to}; the kernel's log says why`;
    throw hugebarError("ERR_SYSTEM", { action, problem });
  }
  return { bdf, from, to: driver };
}

/** The error to throw, with a sentence on what the devices have now. */
async function putBack(
  error: unknown,
  action: string,
  begun: readonly BindStep[],
  survey: Survey,
  hands: Hands,
): Promise<HugebarError> {
  const [current] = begun;
  if (error instanceof StillWaiting && current !== undefined) {
    // A write that the kernel still makes has its device; one that could be ended is put back as any other.
    const free = error.pid === null ? begun : begun.slice(1);
    return stillWaiting(error, current, survey, await giveBackAll(free, survey.roots, hands));
  }
  const known =
    error instanceof HugebarError
      ? error
      : hugebarError("ERR_SYSTEM", { action, problem: failureInWords(error) }, error);
  const report = await giveBackAll(begun, survey.roots, hands);
  return new HugebarError(known.code, [known.message, ...report].join("; "), { cause: known.cause });
}

async function giveBackAll(begun: readonly BindStep[], roots: MachineRoots, hands: Hands): Promise<string[]> {
  const reports: string[] = [];
  for (const step of begun) reports.push(await giveBack(step, roots, hands));
  return reports;
}

/** The override and the driver that the device had. */
async function giveBack(step: BindStep, roots: MachineRoots, hands: Hands): Promise<string> {
  const { bdf, from, override } = step;
  const now = findPciDevice(roots.sys, bdf)?.driver ?? null;
  const isBack = now === from;
  // To the driver it had, whatever the kernel would find; then the override that was there before.
  const writes = [
    ...(isBack ? [] : [overrideWrite(roots, bdf, from), ...release(roots, bdf, now)]),
    ...(isBack || from === null ? [] : [probe(roots, bdf)]),
    overrideWrite(roots, bdf, override),
  ];
  for (const write of writes) {
    try {
      await writeAttribute(write, `give ${bdf} back`, hands);
    } catch {
      // The error that led here is the one to tell; what came of this, `driver` says.
    }
  }
  const driver = findPciDevice(roots.sys, bdf)?.driver ?? null;
  if (driver === from)
    return from === null ? `${bdf} has no driver, as before` : `${bdf} is with ${from} as before`;
  return `${bdf} could not be given back to ${from ?? "no driver"}: it has ${driver ?? "no driver"} now`;
}

function stillWaiting(
  { pid, seconds }: StillWaiting,
  step: BindStep,
  survey: Survey,
  rest: readonly string[],
): HugebarError {
  // What was held when the plan was made may be closed by now.
  const now = surveyOf(survey.roots, survey.system);
  const holders = [
    ...vfioHolders(now, step.bdf).map((holder) => `${processTitles(now.roots, [holder])} holds it open`),
    ...openFileUses(now, step.bdf, namedDisks(now.roots, step.bdf)).uses,
  ];
  const who = holders.length === 0 ? "the kernel's log may say for whom" : holders.join(", ");
  const waits = pid === null ? "the write was given up" : "the kernel still waits";
  const goesOn =
    pid === null
      ? ""
      : `; process ${pid} stays in the kernel until that ends, and \`hugebar ${actionOf(step)}\` finishes it then`;
  return hugebarError("ERR_BUSY", {
    action: actionOf(step),
    problem: [`${waits} after ${seconds} s: ${who}${goesOn}`, ...rest].join("; "),
  });
}

function interrupted(action: string): HugebarError {
  return hugebarError("ERR_SYSTEM", { action, problem: "it was interrupted" });
}

async function writeAttribute({ path, value }: SysfsWrite, action: string, hands: Hands): Promise<void> {
  try {
    await hands.write(path, value);
  } catch (error) {
    throw writeError(path, value, action, error);
  }
}

function writeError(path: string, value: string, action: string, cause: unknown): unknown {
  if (!(cause instanceof SystemCallError)) return cause;
  if (cause.code === "EACCES" || cause.code === "EPERM" || cause.code === "EROFS") {
    return hugebarError(
      "ERR_PERMISSION",
      { action, problem: `no permission to write ${path}; run as root` },
      cause,
    );
  }
  const problem = `writing ${JSON.stringify(value)} to ${path}: ${errnoInWords(cause.code)}`;
  return hugebarError("ERR_SYSTEM", { action, problem }, cause);
}
