/** One point of an examination, and how several points that are alike become one. */

export interface Finding {
  readonly topic: "kernel" | "thp" | "iommu" | "device" | "process";
  /** `problem`: something falls short. `note`: worth knowing, or not to be found out. */
  readonly state: "good" | "note" | "problem";
  readonly text: string;
  /** What to do about it; null where there is nothing to do. */
  readonly todo: string | null;
  /** Where it stands for others that are left out: how many, how many of them are problems, and what shows them. */
  readonly leftOut?: { readonly points: number; readonly problems: number; readonly where: string };
}

/** So many are named, and the others counted. */
const NAMED = 3;

/** `0000:01:00.0, 0000:02:00.0, 0000:03:00.0 and 120 others` */
export function someOf(names: readonly string[]): string {
  const others = names.length - NAMED;
  // One that stands for itself takes no more room than its number.
  if (others <= 1) return names.join(", ");
  return `${names.slice(0, NAMED).join(", ")} and ${others} others`;
}

/** Brings together what has the same key, in the order of the first of each. */
export function gathered<Value>(values: readonly Value[], keyOf: (value: Value) => string): Value[][] {
  const groups = new Map<string, Value[]>();
  for (const value of values) {
    const key = keyOf(value);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [value]);
    else group.push(value);
  }
  return [...groups.values()];
}

/** A page has room for so many points of one topic: the first ones, and how many more there are. */
export function shortened(findings: readonly Finding[], most: number, where: string): Finding[] {
  const left = findings.slice(most);
  return left.length === 0 ? [...findings] : [...findings.slice(0, most), leftOut(left, where)];
}

/** What stands for points that are left out, at least one. */
export function leftOut(left: readonly Finding[], where: string): Finding {
  const points = left.reduce((sum, each) => sum + (each.leftOut?.points ?? 1), 0);
  const problems = left.reduce((sum, each) => sum + problemsIn(each), 0);
  return {
    topic: left[0]?.topic ?? "device",
    state: problems > 0 ? "problem" : "note",
    text: `${points} more of the kind: ${where} ${points === 1 ? "shows it" : "shows them"}`,
    todo: null,
    leftOut: { points, problems, where },
  };
}

/** How many problems it tells of. */
export function problemsIn({ state, leftOut: left }: Finding): number {
  return left?.problems ?? Number(state === "problem");
}
