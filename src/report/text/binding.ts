/** What `bind` and `unbind` print: JSON, and text that a shell could run. */

import type { BoundDevice } from "../../vfio/bind/carry-out.ts";
import type { FileChange } from "../../vfio/bind/persist.ts";
import type { Unknown } from "../../vfio/uses/machine/findings.ts";
import type { BindPlan } from "../../vfio/bind/plan.ts";

export function bindPlanJson(plan: BindPlan, files: readonly FileChange[]): object {
  const { steps, group, overridden, unknown } = plan;
  return {
    schemaVersion: 1,
    dryRun: true,
    devices: steps.map(({ bdf, from, to, module, writes }) => ({ device: bdf, from, to, module, writes })),
    files,
    group:
      group === null
        ? null
        : {
            number: group.number,
            viable: group.inTheWay.length === 0,
            inTheWay: group.inTheWay.map(({ bdf, driver }) => ({ device: bdf, driver })),
          },
    overridden,
    unknown: unknown.map(({ what }) => what),
  };
}

/** What there is to know before anything is written, a message each. */
export function bindPlanMessages(verb: "bind" | "unbind", plan: BindPlan, bdf: string): string[] {
  const { steps, overridden, unknown, group, notes } = plan;
  const done = verb === "bind" ? `${bdf} is bound to VFIO already` : `${bdf} is not bound to VFIO`;
  return [
    ...(steps.length === 0 ? [done] : []),
    ...notes,
    ...overridden.map((use) => `--force overrides: ${use}`),
    ...unknown.map(({ what }) => `it cannot be told ${what}`),
    ...(group === null ? [] : notViable(group)),
  ];
}

function notViable({ number, inTheWay }: NonNullable<BindPlan["group"]>): string[] {
  if (inTheWay.length === 0) return [];
  const others = inTheWay.map(({ bdf, driver }) => `${bdf} (${driver ?? "no driver"})`);
  return [
    `IOMMU group ${number} is not viable until these are handed over too, as --group does: ${others.join(", ")}`,
  ];
}

/** As commands for a shell, so that they can be read, and run. */
export function bindPlanText({ steps }: BindPlan, files: readonly FileChange[]): string {
  const modules = new Set(steps.flatMap(({ module }) => module ?? []));
  return [
    ...[...modules].map((module) => `modprobe ${module}`),
    ...steps.flatMap(({ writes }) => writes).map(({ path, value }) => echo(value.trim(), path)),
    ...files.map(({ path, content }) => (content === null ? `rm ${path}` : heredoc(content, path))),
  ]
    .map((line) => `${line}\n`)
    .join("");
}

function echo(value: string, path: string): string {
  return value === "" ? `echo > ${path}` : `echo ${value} > ${path}`;
}

function heredoc(content: string, path: string): string {
  return `cat > ${path} <<'END'\n${content}END`;
}

export function boundJson(bound: readonly BoundDevice[]): object {
  return {
    schemaVersion: 1,
    dryRun: false,
    devices: bound.map(({ bdf, from, to }) => ({ device: bdf, from, to })),
  };
}

export function boundText(bound: readonly BoundDevice[]): string {
  return bound
    .map(({ bdf, from, to }) => `${bdf}: ${from ?? "no driver"} -> ${to ?? "no driver"}\n`)
    .join("");
}

/** Why a device is left alone of which it is not known who uses it, and what to do. Rights help where others would know. */
export function unknownText(unknown: readonly Unknown[]): string {
  const wayOut = unknown.some(({ isRefused }) => isRefused)
    ? "run as root with all capabilities, or with --force"
    : "--force takes it all the same";
  return `it cannot be told ${unknown.map(({ what }) => what).join("; ")}; ${wayOut}`;
}
