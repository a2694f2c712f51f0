/**
 * The gate in every combination of setting, advice and what the process turned off: what inspect and the library say, what
 * the kernel says (THPeligible) and what it does (a kprobe on the fault handler). Nothing here expects by a release.
 */

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";

import { inspectMachine } from "../../../src/inspect/inspect.ts";
import { LIVE } from "../../../src/inspect/proc/machine.ts";
import { GIB } from "../../../src/layout/sizes.ts";
import { readSmaps } from "../../../src/memory/smaps.ts";
import {
  MADV_NOHUGEPAGE,
  PR_SET_THP_DISABLE,
  PR_THP_DISABLE_EXCEPT_ADVISED,
} from "../../../src/system/constants.ts";
import { linux } from "../../../src/system/libc.ts";
import { SystemCallError } from "../../../src/system/system.ts";
import { leavesTakenBy } from "./huge-faults.ts";
import { kernelFacts } from "./kernel.ts";
import { openDevice, withoutAdvice } from "./open.ts";
import { bindTo } from "./pci.ts";
import {
  setTransparentHugepage,
  transparentHugepageModes,
  type TransparentHugepage,
} from "./transparent-hugepage.ts";

const bdf = "0000:00:10.0";
const bar = 2;

const advices = ["advised", "not advised", "forbidden"] as const;
const processes = ["untouched", "disabled", "except advised"] as const;
type Advice = (typeof advices)[number];
type Process = (typeof processes)[number];

function disable(process: Process): void {
  if (process === "untouched") linux.prctl(PR_SET_THP_DISABLE, 0, 0);
  else linux.prctl(PR_SET_THP_DISABLE, 1, process === "disabled" ? 0 : PR_THP_DISABLE_EXCEPT_ADVISED);
}

/** Whether the kernel knows that a process may turn huge pages off except where it advises them. */
function knowsExceptAdvised(): boolean {
  try {
    disable("except advised");
    return true;
  } catch (error) {
    if (!(error instanceof SystemCallError) || error.code !== "EINVAL") throw error;
    return false;
  } finally {
    disable("untouched");
  }
}

before(() => bindTo(bdf));
after(() => {
  disable("untouched");
  setTransparentHugepage("always");
});

/** All that is told of the mapping, in one word each. */
interface Told {
  readonly inspect: string;
  readonly library: string;
  readonly kernel: string;
  readonly handler: string;
}

describe("the gate", () => {
  it("is what inspect and the library say, what the kernel says, and what it does", async (t) => {
    const known = processes.filter((process) => process !== "except advised" || knowsExceptAdvised());
    const rows: string[] = [];
    for (const setting of transparentHugepageModes) {
      for (const process of known) {
        for (const advice of advices) {
          setTransparentHugepage(setting);
          disable(process);
          const device = openDevice(t, bdf, "group", advice === "advised" ? linux : withoutAdvice);
          const mapping = device.region(bar).map();
          if (advice === "forbidden") linux.madvise(mapping.base, 64 * GIB, MADV_NOHUGEPAGE);
          const { verdict, source } = ownRow();
          const eligible = readSmaps("/proc/self/smaps", new Set([mapping.base])).get(mapping.base)?.eligible;
          const [taken, ...others] = await leavesTakenBy(() => void mapping.read8(0));
          const told: Told = {
            inspect: verdict,
            // What forbids was not the library's doing.
            library: advice === "forbidden" ? verdict : mapping.layout.gate === "open" ? "huge" : "small",
            kernel: eligible === true ? "huge" : "small",
            handler: taken?.size === GIB ? "huge" : "small",
          };
          device.close();
          disable("untouched");
          const row = `${setting}, ${advice}, ${process}`;
          rows.push(`${row}: ${JSON.stringify(told)} by ${source}`);
          assert.equal(others.length, 0);
          const expected = expectedOf(setting, advice, process) ? "huge" : "small";
          assert.deepEqual(
            told,
            { inspect: expected, library: expected, kernel: expected, handler: expected },
            row,
          );
        }
      }
    }
    for (const row of rows) t.diagnostic(row);
    assert.equal(rows.length, 9 * known.length);
  });
});

/** From what the bed has seen this kernel do about the setting, and what the manual says of the rest (prctl(2), madvise(2)). */
function expectedOf(setting: TransparentHugepage, advice: Advice, process: Process): boolean {
  if (advice === "forbidden" || process === "disabled") return false;
  if (process === "except advised" && advice !== "advised") return false;
  return !kernelFacts.asks || setting === "always" || (setting === "madvise" && advice === "advised");
}

/** The one row of this process for the BAR. */
function ownRow() {
  const { processes: found } = inspectMachine(LIVE, [process.pid]);
  const rows = found.flatMap(({ mappings }) => mappings).filter(({ identity }) => identity.region === bar);
  const [row] = rows;
  assert.ok(row !== undefined && rows.length === 1, `${rows.length} rows`);
  return row;
}
