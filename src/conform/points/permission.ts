/** What lets a mapping have huge leaves at all: advice, prctl, and the setting; and whether THPeligible tells the truth. */

import { readHostKernel } from "../../device/leaves/host-kernel.ts";
import { readSmaps } from "../../memory/smaps.ts";
import {
  MADV_HUGEPAGE,
  MADV_NOHUGEPAGE,
  PR_SET_THP_DISABLE,
  PR_THP_DISABLE_EXCEPT_ADVISED,
} from "../../system/constants.ts";
import { SystemCallError, type System } from "../../system/system.ts";
import { type Bench, CannotJudge, type Point } from "../point.ts";
import type { Trial } from "../trial.ts";

const HUGE_PFNMAP = '6857be5fecae ("mm: introduce ARCH_SUPPORTS_HUGE_PFNMAP and special bits to pmd/pud")';
const EXCEPT_ADVISED = '9dc21bbd62ed ("prctl: extend PR_SET_THP_DISABLE to optionally exclude VM_HUGEPAGE")';

/** A block of the largest leaf, not touched yet. */
function block(bench: Bench, advice?: number): Trial {
  const [largest = 0] = bench.hugeLeaves();
  return bench.map({ size: largest, ...(advice === undefined ? {} : { advice }) });
}

function expectSmall(bench: Bench, what: string, advice?: number): void {
  bench.expectLeaf(block(bench, advice), 0, what, bench.page);
  bench.close();
}

export const advice: Point = {
  name: "advice",
  about: "MADV_NOHUGEPAGE rules huge leaves out, and MADV_HUGEPAGE takes nothing away",
  commits: [HUGE_PFNMAP],
  needsHugeLeaves: true,
  run(bench) {
    bench.expectLeaf(block(bench, MADV_HUGEPAGE), 0, "advised MADV_HUGEPAGE");
    bench.close();
    expectSmall(bench, "advised MADV_NOHUGEPAGE", MADV_NOHUGEPAGE);
  },
};

export const prctlThpDisable: Point = {
  name: "prctl_thp_disable",
  about: "PR_SET_THP_DISABLE rules huge leaves out, or with its flag those that nobody advised",
  commits: [HUGE_PFNMAP, EXCEPT_ADVISED],
  needsHugeLeaves: true,
  run(bench) {
    const { system } = bench.subject;
    whileDisabled(system, 0, () => expectSmall(bench, "disabled", MADV_HUGEPAGE));
    try {
      whileDisabled(system, PR_THP_DISABLE_EXCEPT_ADVISED, () => {
        expectSmall(bench, "disabled except advised, not advised");
        bench.expectLeaf(block(bench, MADV_HUGEPAGE), 0, "disabled except advised, advised");
        bench.close();
      });
    } catch (error) {
      // Before Linux 6.18 there is no such flag.
      if (!(error instanceof SystemCallError) || error.code !== "EINVAL") throw error;
    }
    bench.expectLeaf(block(bench, MADV_HUGEPAGE), 0, "enabled again");
  },
};

function whileDisabled(system: System, flags: number, run: () => void): void {
  system.prctl(PR_SET_THP_DISABLE, 1, flags);
  try {
    run();
  } finally {
    system.prctl(PR_SET_THP_DISABLE, 0, 0);
  }
}

export const eligibility: Point = {
  name: "thp_eligible",
  about: "THPeligible in /proc/self/smaps says what the fault then does, under the setting as it is",
  commits: ['7635d9cbe832 ("mm, thp, proc: report THP eligibility for each vma")'],
  needsHugeLeaves: false,
  run(bench) {
    const setting = settingOf(bench);
    for (const [name, advice] of [
      ["not advised", undefined],
      ["advised MADV_HUGEPAGE", MADV_HUGEPAGE],
      ["advised MADV_NOHUGEPAGE", MADV_NOHUGEPAGE],
    ] as const) {
      const trial = block(bench, advice);
      const eligible = eligibleAt(trial.address);
      if (eligible === null) throw new CannotJudge("this kernel's smaps has no THPeligible");
      const due = eligible ? bench.dueLeaf(trial, 0) : bench.page;
      bench.expectLeaf(
        trial,
        0,
        `transparent_hugepage/enabled ${setting}, ${name}, THPeligible ${eligible ? 1 : 0}`,
        due,
      );
      bench.close();
    }
  },
};

/**
 * Why no mapping of the area may have huge leaves here, or null. Asked of a mapping that nobody has touched: reading smaps takes
 * leaves of 1 GiB apart.
 */
export function whyNoHugeLeaves(bench: Bench): string | null {
  const trial = block(bench, MADV_HUGEPAGE);
  try {
    if (eligibleAt(trial.address) !== false) return null;
    const setting = settingOf(bench);
    return setting === "never" ? "transparent_hugepage/enabled is never, and THPeligible 0" : null;
  } finally {
    bench.close();
  }
}

function eligibleAt(address: bigint): boolean | null {
  return readSmaps("/proc/self/smaps", new Set([address])).get(address)?.eligible ?? null;
}

/** `transparent_hugepage/enabled`. */
function settingOf({ subject: { system } }: Bench): string {
  return readHostKernel(system).thpEnabled ?? "absent";
}
