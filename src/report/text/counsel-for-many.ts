/** The same counsel for many is said once. */

import { gathered } from "../../inspect/finding.ts";
import { adviceForMany, counselOf } from "../../inspect/judge/own-miss.ts";

/** What advice is for, and what there is. */
export interface AdvisedRow {
  /** Whose it is: `2072 region 1`. */
  readonly name: string;
  readonly remarks: readonly { readonly code: string; readonly advice: string }[];
}

export interface Counsel {
  readonly code: string;
  /** The first that it is for, and how many others there are. */
  readonly name: string;
  readonly others: number;
  readonly text: string;
}

/** What two pieces of advice share that are one piece of counsel, however far each mapping misses. */
export function counselKey({ code, advice }: AdvisedRow["remarks"][number]): string {
  return `${code} ${counselOf(advice)}`;
}

/** Each piece of counsel once, with those it is for, wherever each of them misses. */
export function gatheredCounsel(rows: readonly AdvisedRow[]): Counsel[] {
  const remarks = rows.flatMap(({ name, remarks: own }) => own.map((remark) => ({ name, ...remark })));
  return gathered(remarks, counselKey).flatMap((alike) => {
    const [first] = alike;
    if (first === undefined) return [];
    const { code, name, advice } = first;
    const isSame = alike.every((each) => each.advice === advice);
    return [{ code, name, others: alike.length - 1, text: isSame ? advice : adviceForMany(advice) }];
  });
}
