/** The reporter of node:test inside the guest: every test becomes one line of JSON (see `events.ts`). */

import type { TestEvent } from "node:test/reporters";

import type { GuestEvent, GuestFailure } from "./events.ts";

export default async function* guestReporter(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const path: string[] = [];
  for await (const event of events) {
    const line = lineOf(event, path);
    if (line !== null) yield `${JSON.stringify(line)}\n`;
  }
}

/** `path` holds the names of the tests that are open, the outermost first. */
function lineOf({ type, data }: TestEvent, path: string[]): GuestEvent | null {
  if (type === "test:start") path.splice(data.nesting, Infinity, data.name);
  if (type === "test:stdout" || type === "test:stderr") return { type: "output", text: data.message };
  // What has no nesting is the run's own summary.
  if (type === "test:diagnostic" && data.nesting > 0) return { type: "diagnostic", text: data.message };
  if (type !== "test:pass" && type !== "test:fail") return null;

  const failure = type === "test:fail" ? failureOf(data.details.error) : null;
  // A suite fails with its tests, which have said so themselves, or by itself, in a hook.
  if (failure === null && (type === "test:fail" || data.details.type === "suite")) return null;
  return {
    type: "test",
    path: [...path.slice(0, data.nesting), data.name],
    milliseconds: Math.round(data.details.duration_ms),
    skipped: data.skip === undefined ? null : String(data.skip),
    failure,
  };
}

/** What went wrong, or null for a test that failed only because a test inside it did. */
function failureOf(error: unknown): GuestFailure | null {
  if (!(error instanceof Error)) return { message: String(error), stack: "" };
  if ("failureType" in error && error.failureType === "subtestsFailed") return null;
  const cause = error.cause instanceof Error ? error.cause : error;
  // Of a file whose process ended, node:test says no more than that it failed.
  const ended = "signal" in error && typeof error.signal === "string" ? `: ended by ${error.signal}` : "";
  return { message: `${cause.message}${ended}`, stack: cause.stack ?? "" };
}
