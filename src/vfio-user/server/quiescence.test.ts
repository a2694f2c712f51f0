import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HugebarError } from "../../errors.ts";
import { idleClient } from "./parts/idle-client.fixture.ts";
import { Quiescence } from "./quiescence.ts";

describe("a device that does not become quiet", () => {
  it("is waited for, and its author told once that clients do not wait so long", async (t) => {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    const quiet = Promise.withResolvers<void>();
    const reported: string[] = [];
    const quiescence = new Quiescence(
      { quiesce: () => quiet.promise },
      () => assert.fail("it was reset"),
      (error) => reported.push(error instanceof HugebarError ? `${error.code}: ${error.message}` : "another"),
    );
    let worked = false;
    const pending = quiescence.during("dma-unmap", idleClient(), () => {
      worked = true;
    });
    await Promise.resolve();
    t.mock.timers.tick(3999);
    assert.deepEqual(reported, []);
    t.mock.timers.tick(60_000);
    assert.deepEqual(reported, [
      "ERR_TIMEOUT: Cannot quiesce the device in time, as its client takes memory away: it has taken 4 s so far, and is still " +
        "waited for; clients give up after 5 s",
    ]);
    assert.equal(worked, false);
    quiet.resolve();
    await pending;
    assert.equal(worked, true);
  });
});
