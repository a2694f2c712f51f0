/** What one process tells another of a part of the area that both map. */

import * as v from "valibot";

/** The descriptor by which the other one has the device's file. */
export const PART_FD = 3;

const partSchema = v.object({
  /** Of the area, as in `Subject`. */
  fdOffset: v.number(),
  protection: v.number(),
  advice: v.nullable(v.number()),
  physical: v.string(),
  /** The part of it to map. */
  offset: v.number(),
  size: v.number(),
  /** Where to touch it, from its start. */
  at: v.array(v.number()),
});

export type SharedPart = v.InferOutput<typeof partSchema>;

export function parsePart(text: string): SharedPart {
  return v.parse(partSchema, JSON.parse(text));
}

const answerSchema = v.object({ leaves: v.array(v.number()) });

/** The leaves at each place, in bytes. */
export function parseLeaves(text: string): readonly number[] {
  return v.parse(answerSchema, JSON.parse(text)).leaves;
}
