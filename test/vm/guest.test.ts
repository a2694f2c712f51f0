import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { runGuest } from "./guest.ts";
import { leftOut } from "./guest-tests.ts";

describe("runGuest", () => {
  it("reports what failed, passed and was skipped, with what was printed", async (t) => {
    if (leftOut(t)) return;
    const report = await runGuest({ kernel: "iommufd", tests: ["test/vm/guest/broken/fails.guest.ts"] });
    assert.equal(report.problem, null);
    assert.deepEqual(
      report.tests.map(({ path, skipped, failure }) => ({
        path,
        skipped,
        failure: failure?.message.split("\n")[0],
      })),
      [
        { path: ["outer", "passes"], skipped: null, failure: undefined },
        { path: ["outer", "inner", "fails"], skipped: null, failure: "one is not two" },
        { path: ["outer", "inner", "is skipped"], skipped: "for a reason", failure: undefined },
      ],
    );
    assert.match(report.tests[1]?.failure?.stack ?? "", /fails\.guest\.ts/);
    assert.deepEqual(report.diagnostics, ["said in passing"]);
    assert.match(report.output, /printed by the failing test/);
    assert.match(report.console, /Linux version \d+\.\d+/, "the kernel's log goes to the console");
  });

  it("says which signal has ended a test", async (t) => {
    if (leftOut(t)) return;
    const report = await runGuest({ kernel: "iommufd", tests: ["test/vm/guest/broken/killed.guest.ts"] });
    assert.deepEqual(
      report.tests.map(({ failure }) => failure?.message),
      ["test failed: ended by SIGSEGV"],
    );
  });

  it("says so when the guest goes down under its tests", async (t) => {
    if (leftOut(t)) return;
    const report = await runGuest({ kernel: "iommufd", tests: ["test/vm/guest/broken/dies.guest.ts"] });
    assert.equal(report.problem, "the guest ended before its tests did");
  });

  it("ends a guest at its time limit", async (t) => {
    if (leftOut(t)) return;
    const report = await runGuest({
      kernel: "iommufd",
      tests: ["test/vm/guest/broken/hangs.guest.ts"],
      timeLimitSeconds: 20,
      environment: { TEST_TIMEOUT: "3600000", LOOK_AFTER: "1" },
    });
    assert.match(report.problem ?? "", /^the guest was not done within 20 s; its CPUs:.*RIP=/s);
    assert.match(
      report.console,
      /^\/proc\/\d+\/task\/\d+ \S+: [RSD] \(.*\r?\n\[<0>\] /m,
      "what its tasks waited for",
    );
  });

  it("passes on what QEMU complains about", async (t) => {
    if (leftOut(t)) return;
    const report = await runGuest({
      kernel: "iommufd",
      tests: ["test/vm/guest/bed.guest.ts"],
      devices: [["-device", "no-such-device"]],
    });
    assert.match(report.problem ?? "", /^QEMU ended with status 1: .*no-such-device/);
  });
});
