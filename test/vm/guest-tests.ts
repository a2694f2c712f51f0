/**
 * Runs tests inside a guest and repeats each of them as a test of the host, so that both make one report:
 *
 *     describe("kernel transports", () => {
 *       it("on a kernel with groups only", async (t) => {
 *         await runGuestTests(t, { kernel: "groups", tests: ["test/vm/guest/group.guest.ts"], devices: [edu(0x10)] });
 *       });
 *     });
 *
 * A machine that cannot provision guests says so in one line and skips, as where the archive has no kernel or QEMU of the
 * role; with CI set that is a failure, as is a test that the guest skipped. A guest in which anything failed prints its
 * console.
 */

import type { TestContext } from "node:test";

import { leaveOut } from "../left-out.ts";
import { type GuestOptions, type GuestReport, runGuest } from "./guest.ts";
import { NotInArchive } from "./provision/not-in-archive.ts";
import { provision, whyNotHere } from "./provision/provision.ts";
import { type QemuRole, whyNoQemu } from "./provision/qemu.ts";
import type { GuestTest } from "./report/events.ts";

/** Returns the guest's report for further checks, or null where the test was skipped. */
export async function runGuestTests(t: TestContext, options: GuestOptions): Promise<GuestReport | null> {
  if (leftOut(t)) return null;
  const report = await runInArchive(t, options);
  if (report === null) return null;
  t.diagnostic(report.kernel);
  t.diagnostic(`${options.kernel} kernel: ${report.tests.length} tests in ${report.seconds.toFixed(1)} s`);
  for (const file of report.standstills)
    t.diagnostic(`booted once more, as the emulator failed it: see ${file}`);
  for (const line of report.diagnostics) t.diagnostic(line);
  if (report.problem !== null || report.tests.some(({ failure }) => failure !== null)) {
    // The report tells of failures when all is done, which a run that is ended never is.
    process.stderr.write(
      `${report.output}\nThe guest's console:\n${report.console}\n${report.problem ?? ""}\n`,
    );
  }
  for (const test of report.tests) await repeat(t, test);
  for (const obstacle of report.leftOut) await t.test(`but for ${obstacle}`, (t) => leaveOut(t, obstacle));
  if (report.problem !== null) throw new Error(`On the ${options.kernel} kernel: ${report.problem}`);
  return report;
}

/** Whether this machine cannot run guests, or QEMU: then `t` is skipped, or with CI set fails. */
export function leftOut(t: TestContext, tests = "tests on a real kernel"): boolean {
  const obstacle = whyNotHere();
  if (obstacle === null) return false;
  leaveOut(t, `${obstacle}: ${tests}`);
  return true;
}

/** Whether this machine cannot run such a QEMU: then as `leftOut`. It is provisioned now if it is not there. */
export async function lacksQemu(t: TestContext, role: QemuRole): Promise<boolean> {
  if (leftOut(t, "tests with QEMU on this machine")) return true;
  await provision([`qemu-${role}`]);
  const obstacle = whyNoQemu(role);
  if (obstacle !== null) leaveOut(t, obstacle);
  return obstacle !== null;
}

/** The report; null where the archive has nothing to boot, or to boot it with. */
async function runInArchive(t: TestContext, options: GuestOptions): Promise<GuestReport | null> {
  try {
    return await runGuest(options);
  } catch (error) {
    if (!(error instanceof NotInArchive)) throw error;
    leaveOut(t, error.message);
    return null;
  }
}

async function repeat(t: TestContext, { path, milliseconds, skipped, failure }: GuestTest): Promise<void> {
  await t.test(path.join(" › "), (t) => {
    if (skipped !== null) leaveOut(t, `skipped in the guest: ${skipped}`);
    t.diagnostic(`${milliseconds} ms in the guest`);
    if (failure === null) return;
    const error = new Error(failure.message);
    error.stack = failure.stack;
    throw error;
  });
}
