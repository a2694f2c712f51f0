import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { strayBreakpoint } from "./stray-breakpoint.ts";

/** As seen with QEMU 10.0 and Linux 6.12.117, shortened. */
const SEEN = `[    6.484751] amd_pstate: the _CPC object is not present in SBIOS or ACPI disabled
[    6.636708] Oops: int3: 0000 [#1] PREEMPT SMP NOPTI
[    6.637332] CPU: 0 UID: 0 PID: 1 Comm: swapper/0 Not tainted 6.12.117+deb13-amd64 #1
[    6.637692] RIP: 0010:sched_clock_cpu+0x9/0x1d0
[    6.646137] Kernel panic - not syncing: Fatal exception in interrupt
`;

describe("strayBreakpoint", () => {
  it("is what was seen, with where it was", () => {
    assert.match(strayBreakpoint(SEEN) ?? "", /int3: 0000.*\n.*RIP: 0010:sched_clock_cpu\+0x9/);
  });

  it("is no other end of a kernel, and no breakpoint that it lives on after", () => {
    assert.equal(strayBreakpoint(SEEN.replace("Oops: int3", "Oops: general protection fault")), null);
    assert.equal(strayBreakpoint(SEEN.replace(/^.*panic.*\n/m, "")), null);
    assert.equal(strayBreakpoint(""), null);
  });
});
