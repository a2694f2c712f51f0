import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { limitReports, MOST_REPORTS, PERIOD_MILLISECONDS } from "./limited-reports.ts";

describe("an author's log", () => {
  it("has the first errors of a period, and the number of the others", (t) => {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    const told: unknown[] = [];
    const report = limitReports((error) => told.push(error));
    for (let time = 0; time < MOST_REPORTS; time += 1) report(time);
    t.mock.timers.tick(PERIOD_MILLISECONDS);
    assert.equal(told.length, MOST_REPORTS, "none was left out");
    for (let time = 0; time < 10_000; time += 1) report(time);
    assert.equal(told.length, 2 * MOST_REPORTS);
    t.mock.timers.tick(PERIOD_MILLISECONDS);
    assert.match(String(told.at(-1)), new RegExp(`report ${10_000 - MOST_REPORTS} more errors one by one`));
    report("again");
    assert.equal(told.at(-1), "again");
  });
});
