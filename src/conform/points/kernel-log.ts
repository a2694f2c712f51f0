/** What the kernel says of its page tables meanwhile. */

import { CannotJudge, type Point } from "../point.ts";

export const kernelLogClean: Point = {
  name: "kernel_log",
  about: "the kernel's log has no complaint about page tables since the test began",
  commits: [],
  needsHugeLeaves: false,
  run(bench) {
    const { complaints } = bench.options;
    if (complaints === null) throw new CannotJudge("/dev/kmsg may not be read");
    const { complaints: said, lost } = complaints();
    const [first = "nothing"] = said;
    if (lost && said.length === 0)
      throw new CannotJudge("records of the log were overwritten before they could be read");
    bench.note("it says", "nothing", first);
  },
};
