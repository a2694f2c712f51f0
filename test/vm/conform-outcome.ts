/** How the guest hands on what `hugebar conform` printed there. */

import * as v from "valibot";

export const conformBdf = "0000:00:10.0";

export const outcomePrefix = "conform: ";

const outcomeSchema = v.object({
  status: v.nullable(v.number()),
  signal: v.nullable(v.string()),
  stdout: v.string(),
  stderr: v.string(),
});

export type ConformOutcome = v.InferOutput<typeof outcomeSchema>;

/** Null where no diagnostic has it. */
export function readOutcome(diagnostics: readonly string[]): ConformOutcome | null {
  const line = diagnostics.find((text) => text.startsWith(outcomePrefix));
  return line === undefined ? null : v.parse(outcomeSchema, JSON.parse(line.slice(outcomePrefix.length)));
}
