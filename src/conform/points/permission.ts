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
function block(bench: Bench, advice: number | null): Trial {
  const [largest = 0] = bench.hugeLeaves();
  return bench.map({ size: largest, advice });
}

function expectSmall(bench: Bench, what: string, advice: number | null): void {
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
        expectSmall(bench, "disabled except advised, not advised", null);
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
      ["not advised", null],
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

/** Whether mappings of the area may have huge leaves here, and what that takes. */
export interface Allowance {
  /** Why none may; null where they may, or where nothing says that they may not. */
  readonly closed: string | null;
  /** What mappings must be advised for it; null for nothing. */
  readonly advice: number | null;
}

/**
 * Finds out what the setting allows: that leaves are small where it does not is no fault of the kernel's. Asked of mappings that
 * nobody has touched: reading smaps takes leaves of 1 GiB apart. What a parent ruled out for this process (PR_SET_THP_DISABLE is
 * inherited) is allowed again, for it says nothing about the kernel either.
 */
export function readAllowance(bench: Bench): Allowance {
  bench.subject.system.prctl(PR_SET_THP_DISABLE, 0, 0);
  const setting = settingOf(bench);
  const ruledOut = (advice: number | null): boolean => {
    try {
      return eligibleAt(block(bench, advice).address) === false;
    } finally {
      bench.close();
    }
  };
  if (setting === "never" && ruledOut(MADV_HUGEPAGE))
    return { closed: "transparent_hugepage/enabled is never, and THPeligible 0", advice: null };
  const needsAdvice = setting === "madvise" && ruledOut(null);
  return { closed: null, advice: needsAdvice ? MADV_HUGEPAGE : null };
}

function eligibleAt(address: bigint): boolean | null {
  return readSmaps("/proc/self/smaps", new Set([address])).get(address)?.eligible ?? null;
}

/** `transparent_hugepage/enabled`. */
function settingOf({ subject: { system } }: Bench): string {
  return readHostKernel(system).thpEnabled ?? "absent";
}
