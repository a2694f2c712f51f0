/** Where a machine's files are, this one's or a recorded one's. */

import { join } from "node:path";

/** What stands for `/sys` and `/proc`. */
export interface MachineRoots {
  readonly sys: string;
  readonly proc: string;
}

/** Whether it is this machine, which can be asked as well as read. */
export function isLive({ sys, proc }: MachineRoots): boolean {
  return sys === "/sys" && proc === "/proc";
}

/** A path that stands beside `/sys`: `/run/udev/data` of this machine, or what was recorded of it. */
export function besideSys({ sys }: MachineRoots, ...path: readonly string[]): string {
  return join(sys, "..", ...path);
}
