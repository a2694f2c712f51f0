/**
 * Runs tests inside a guest and repeats each of them as a test of the host, so that both make one report:
 *
 *     describe("kernel transports", () => {
 *       it("on a kernel with groups only", async (t) => {
 *         await runGuestTests(t, { kernel: "groups", tests: ["test/vm/guest/group.guest.ts"], devices: [edu(0x10)] });
 *       });
 *     });
 *
 * A machine that cannot provision guests says so in one line and skips; with CI set that is a failure, as is a test
 * that the guest skipped. A guest in which anything failed prints its console.
 */

import type { TestContext } from "node:test";

import { type GuestOptions, type GuestReport, runGuest } from "./guest.ts";
import { whyNotHere } from "./provision/provision.ts";
import type { GuestTest } from "./report/events.ts";

/** Returns the guest's report for further checks, or null where the test was skipped. */
export async function runGuestTests(t: TestContext, options: GuestOptions): Promise<GuestReport | null> {
  if (leftOut(t)) return null;
  const report = await runGuest(options);
  t.diagnostic(report.kernel);
  t.diagnostic(`${options.kernel} kernel: ${report.tests.length} tests in ${report.seconds.toFixed(1)} s`);
  for (const obstacle of report.leftOut) t.diagnostic(`left out, as there is ${obstacle}`);
  for (const file of report.standstills)
    t.diagnostic(`booted once more, as the emulator failed it: see ${file}`);
  for (const line of report.diagnostics) t.diagnostic(line);
  if (report.problem !== null || report.tests.some(({ failure }) => failure !== null)) {
    process.stderr.write(`${report.output}\nThe guest's console:\n${report.console}\n`);
  }
  for (const test of report.tests) await repeat(t, test);
  if (report.problem !== null) throw new Error(`On the ${options.kernel} kernel: ${report.problem}`);
  return report;
}

/** Whether this machine cannot run guests, or QEMU: then `t` is skipped, or with CI set fails. */
export function leftOut(t: TestContext, tests = "tests on a real kernel"): boolean {
  const obstacle = whyNotHere();
  if (obstacle === null) return false;
  const line = `left out, as ${obstacle}: ${tests}`;
  if (inContinuousIntegration()) throw new Error(line);
  t.skip(line);
  return true;
}

async function repeat(t: TestContext, { path, milliseconds, skipped, failure }: GuestTest): Promise<void> {
  await t.test(path.join(" › "), (t) => {
    if (skipped !== null) {
      if (inContinuousIntegration()) throw new Error(`skipped in the guest: ${skipped}`);
      t.skip(skipped);
    }
    t.diagnostic(`${milliseconds} ms in the guest`);
    if (failure === null) return;
    const error = new Error(failure.message);
    error.stack = failure.stack;
    throw error;
  });
}

function inContinuousIntegration(): boolean {
  return !["", "0", "false", undefined].includes(process.env["CI"]);
}
