/** What a scan's process is given and answers, as JSON. */

import * as v from "valibot";
import { NOTHING_LEARNED, type LearnedKernel } from "../rules/learned.ts";
import { familySchema } from "./families.ts";

const learnedSchema = v.object({
  asks: v.nullable(v.boolean()),
  hugeLeaves: v.record(v.string(), v.boolean()),
  lookedAt: v.array(v.string()),
});

const answerSchema = v.object({ families: v.array(familySchema), learned: learnedSchema });

/** Metrics, and what the next scan need not find out again. */
export type ScanAnswer = v.InferOutput<typeof answerSchema>;

/** Null where it is none. */
export function parseAnswer(text: string): ScanAnswer | null {
  try {
    return v.parse(answerSchema, JSON.parse(text));
  } catch {
    return null;
  }
}

/** What earlier scans have learned of the kernel. */
export function parseLearned(text: string | undefined): LearnedKernel {
  return text === undefined ? NOTHING_LEARNED : v.parse(learnedSchema, JSON.parse(text));
}
