/** `hugebar bind` and `hugebar unbind`: hand a device to vfio-pci, and give it back. */

import { hugebarError } from "../../errors.ts";
import { linux } from "../../system/libc.ts";
import { parseBdf } from "../../vfio/bdf.ts";
import { planBind, planUnbind, type BindStep } from "../../vfio/bind-plan.ts";
import { carryOut, type BoundDevice } from "../../vfio/bind.ts";
import { SYSFS } from "../../vfio/sysfs.ts";
import { writeResult, type Output } from "../output.ts";
import type { Arguments } from "../verbs.ts";

const PROCFS = "/proc";

type BindOptions = Arguments<"bind">["options"];

export async function run({ options, operands }: Arguments<"bind">, output: Output): Promise<void> {
  await changeHands("bind", operands, options, output);
}

/** Both verbs differ in the plan only. */
export async function changeHands(
  verb: "bind" | "unbind",
  [name = ""]: readonly string[],
  options: BindOptions,
  output: Output,
): Promise<void> {
  const { sys = SYSFS, proc = PROCFS } = options;
  const dryRun = options["dry-run"];
  if (!dryRun && (options.sys !== undefined || options.proc !== undefined)) {
    throw hugebarError("ERR_USAGE", {
      problem: "--sys and --proc read a recorded machine: they need --dry-run",
    });
  }
  const bdf = parseBdf(name);
  const roots = { sys, proc };
  const plan = verb === "bind" ? planBind : planUnbind;
  const steps = plan(roots, bdf, { group: options.group, force: options.force });
  if (steps.length === 0) {
    output.message(verb === "bind" ? `${bdf} is bound to VFIO already` : `${bdf} is not bound to VFIO`);
  }
  if (dryRun) {
    await writeResult({ json: () => planJson(steps), text: () => planText(steps) }, options, output);
    return;
  }
  const bound = carryOut(steps, roots, linux);
  await writeResult({ json: () => boundJson(bound), text: () => boundText(bound) }, options, output);
}

function planJson(steps: readonly BindStep[]): unknown {
  return {
    schemaVersion: 1,
    dryRun: true,
    devices: steps.map(({ bdf, from, to, writes }) => ({ device: bdf, from, to, writes })),
  };
}

/** As commands for a shell, so that they can be read, and run. */
function planText(steps: readonly BindStep[]): string {
  return steps
    .flatMap(({ writes }) => writes)
    .map(({ path, value }) => `echo ${value.trim()} > ${path}\n`.replace("echo  >", "echo >"))
    .join("");
}

function boundJson(bound: readonly BoundDevice[]): unknown {
  return {
    schemaVersion: 1,
    dryRun: false,
    devices: bound.map(({ bdf, from, to }) => ({ device: bdf, from, to })),
  };
}

function boundText(bound: readonly BoundDevice[]): string {
  return bound
    .map(({ bdf, from, to }) => `${bdf}: ${from ?? "no driver"} -> ${to ?? "no driver"}\n`)
    .join("");
}
