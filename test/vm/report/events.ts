/** What a guest says about its tests: one JSON object per line, on its second serial port. */

import * as v from "valibot";

const failure = v.object({ message: v.string(), stack: v.string() });

const guestTest = v.object({
  type: v.literal("test"),
  /** The suites around it and its own name, outermost first. */
  path: v.array(v.string()),
  milliseconds: v.number(),
  /** Why it was left out, or null if it ran. */
  skipped: v.nullable(v.string()),
  failure: v.nullable(failure),
});

const guestEvent = v.variant("type", [
  guestTest,
  v.object({ type: v.literal("diagnostic"), text: v.string() }),
  v.object({ type: v.literal("output"), text: v.string() }),
  v.object({ type: v.literal("end"), status: v.number() }),
]);

export type GuestTest = v.InferOutput<typeof guestTest>;
export type GuestFailure = v.InferOutput<typeof failure>;
export type GuestEvent = v.InferOutput<typeof guestEvent>;

/** Reads a report; a last line cut short, as by a guest that crashed, is dropped. */
export function readEvents(report: string): GuestEvent[] {
  const lines = report.split(/\r?\n/).slice(0, -1);
  return lines.filter((line) => line !== "").map((line) => v.parse(guestEvent, JSON.parse(line)));
}
