/** `hugebar bind` and `hugebar unbind`: hand a device to VFIO, and give it back. */

import { hugebarError, HugebarError } from "../../errors.ts";
import {
  bindPlanJson,
  bindPlanMessages,
  bindPlanText,
  boundJson,
  boundText,
  unknownText,
} from "../../report/text/binding.ts";
import { linux } from "../../system/libc.ts";
import { parseBdf } from "../../vfio/sysfs/bdf.ts";
import { carryOut, loadDrivers } from "../../vfio/bind/carry-out.ts";
import { changeFiles, forgetChanges, persistChange, type FileChange } from "../../vfio/bind/persist.ts";
import { planBind, planUnbind, type BindPlan } from "../../vfio/bind/plan.ts";
import { childHands } from "../../vfio/bind/write-attribute.ts";
import { findPciDevice } from "../../vfio/sysfs/pci-device.ts";
import { surveyOf, type Survey } from "../../vfio/uses/machine/survey.ts";
import { rootsAt } from "../../inspect/proc/roots.ts";
import { writeResult, type Output } from "../output.ts";
import { awaitInterruption } from "../signals.ts";
import type { Arguments } from "../verbs.ts";

type Options = Arguments<"bind">["options"];

/** What the two verbs differ in. */
interface Change {
  readonly verb: "bind" | "unbind";
  plan(survey: Survey): BindPlan;
  /** The files that keep the binding over a reboot, as they are to be. */
  files(survey: Survey, plan: BindPlan): FileChange[];
}

export async function run({ options, operands }: Arguments<"bind">, output: Output): Promise<number> {
  const bdf = parseBdf(operands[0] ?? "");
  const { group, force, driver, persist } = options;
  const bindOptions = {
    group,
    force,
    noIommu: options["no-iommu"],
    ...(driver === undefined ? {} : { driver }),
  };
  return changeHands(
    {
      verb: "bind",
      plan: (survey) => planBind(survey, bdf, bindOptions),
      files: ({ roots }, plan) => (persist ? persistAll(roots, plan, bdf) : []),
    },
    bdf,
    options,
    output,
  );
}

/** @internal `hugebar unbind` */
export async function runUnbind({ options, operands }: Arguments<"unbind">, output: Output): Promise<number> {
  const bdf = parseBdf(operands[0] ?? "");
  const { group, force } = options;
  return changeHands(
    {
      verb: "unbind",
      plan: (survey) => planUnbind(survey, bdf, { group, force }),
      files: ({ roots }, { steps }) =>
        [...new Set([bdf, ...steps.map((step) => step.bdf)])].flatMap((device) =>
          forgetChanges(roots, device),
        ),
    },
    bdf,
    options,
    output,
  );
}

/** Also of a device that VFIO has already. */
function persistAll(roots: Survey["roots"], { steps }: BindPlan, bdf: string): FileChange[] {
  const wanted = new Map(steps.map((step) => [step.bdf, step.to]));
  const asked = findPciDevice(roots.sys, bdf);
  if (!wanted.has(bdf) && asked !== null) wanted.set(bdf, asked.driver);
  return [...wanted].flatMap(([name, driver]) => {
    const device = findPciDevice(roots.sys, name);
    return device === null || driver === null ? [] : (persistChange(roots, device, driver) ?? []);
  });
}

async function changeHands(
  change: Change,
  bdf: string,
  options: Pick<Options, "dry-run" | "force" | "json" | "output" | "proc" | "sys">,
  output: Output,
): Promise<number> {
  const dryRun = options["dry-run"];
  if (!dryRun && (options.sys !== undefined || options.proc !== undefined)) {
    throw hugebarError("ERR_USAGE", {
      problem: "--sys and --proc read a recorded machine: they need --dry-run",
    });
  }
  const survey = surveyOf(rootsAt(options, "--"), linux);
  const plan = change.plan(survey);
  for (const message of bindPlanMessages(change.verb, plan, bdf)) output.message(message);
  if (dryRun) {
    const files = change.files(survey, plan);
    await writeResult(
      { json: () => bindPlanJson(plan, files), text: () => bindPlanText(plan, files) },
      options,
      output,
    );
    return plan.unknown.length === 0 || options.force ? 0 : 4;
  }
  if (plan.unknown.length > 0 && !options.force) {
    throw hugebarError("ERR_PERMISSION", {
      action: `${change.verb} ${bdf}`,
      problem: unknownText(plan.unknown),
    });
  }
  return changeNow(change, plan, survey, options, output);
}

/** A signal is heeded between two writes: what was begun is put back first. */
async function changeNow(
  change: Change,
  plan: BindPlan,
  survey: Survey,
  options: Pick<Options, "force" | "json" | "output">,
  output: Output,
): Promise<number> {
  const hands = childHands();
  const interruption = awaitInterruption();
  try {
    let now = plan;
    if (plan.steps.some(({ module }) => module !== null)) {
      await loadDrivers(plan.steps, survey.roots, hands);
      // The driver is known by its own name only now.
      now = change.plan(survey);
    }
    const stop = (): boolean => interruption.endedBy() !== null;
    const bound = await carryOut(now.steps, survey, hands, { force: options.force, stop });
    changeFiles(change.files(survey, now));
    await writeResult({ json: () => boundJson(bound), text: () => boundText(bound) }, options, output);
    return 0;
  } catch (error) {
    const ended = interruption.endedBy();
    if (ended === null || !(error instanceof HugebarError)) throw error;
    output.message(error.message);
    return ended;
  } finally {
    interruption.dispose();
  }
}
