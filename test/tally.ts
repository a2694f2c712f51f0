/** A node:test reporter that writes nothing but how many tests passed, failed and were skipped: `12 0 1`. */

import type { TestEvent } from "node:test/reporters";

export default async function* tally(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  let passed = 0;
  let failed = 0;
  let skipped = 0;
  for await (const { type, data } of events) {
    if (type !== "test:pass" && type !== "test:fail") continue;
    if (data.details.type === "suite") continue;
    if (type === "test:fail") failed += 1;
    else if (data.skip !== undefined || data.todo !== undefined) skipped += 1;
    else passed += 1;
  }
  yield `${passed} ${failed} ${skipped}`;
}
