/** What a scan hands on: families of metrics, as plain data, so that they can come from another process. */

import * as v from "valibot";

export const familySchema = v.object({
  name: v.pipe(v.string(), v.regex(/^hugebar_[a-z0-9_]+$/)),
  help: v.string(),
  type: v.picklist(["gauge", "counter"]),
  samples: v.array(v.object({ labels: v.record(v.string(), v.string()), value: v.number() })),
});

/** One metric: its name says the unit, and its samples have the same labels. */
export type Family = v.InferOutput<typeof familySchema>;
export type Sample = Family["samples"][number];
type Labels = Readonly<Record<string, string>>;

/** A family that is still being filled. */
export interface OpenFamily extends Family {
  /** Adds a sample; what is not known (null) is not a number, and no sample. */
  add(labels: Labels, value: number | null): void;
  /** Adds to the sample with these labels. */
  sum(labels: Labels, value: number | null): void;
}

export function gauge(name: string, help: string): OpenFamily {
  return openFamily("gauge", name, help);
}

/** @param name ends with `_total` */
export function counter(name: string, help: string): OpenFamily {
  return openFamily("counter", name, help);
}

function openFamily(type: Family["type"], name: string, help: string): OpenFamily {
  const samples: Sample[] = [];
  const byLabels = new Map<string, Sample>();
  const add = (labels: Labels, value: number | null): void => {
    if (value === null) return;
    const sample = { labels: { ...labels }, value };
    byLabels.set(keyOf(labels), sample);
    samples.push(sample);
  };
  return {
    name,
    help,
    type,
    samples,
    add,
    sum(labels, value) {
      const known = byLabels.get(keyOf(labels));
      if (known === undefined) add(labels, value);
      else if (value !== null) known.value += value;
    },
  };
}

/** One sample for each state there is: 1 for the one that is, 0 for the others. */
export function addStates(
  family: OpenFamily,
  labels: Labels,
  label: string,
  states: readonly string[],
  is: string,
): void {
  for (const state of states) family.add({ ...labels, [label]: state }, state === is ? 1 : 0);
}

function keyOf(labels: Labels): string {
  return JSON.stringify(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)));
}
