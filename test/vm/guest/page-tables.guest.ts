/** Leaves as read from the kernel's memory, held against what its fault handler says that it did. */

import assert from "node:assert/strict";
import { before, describe, it, type TestContext } from "node:test";

import { leafSpans } from "../../../src/layout/leaves.ts";
import { GIB } from "../../../src/layout/sizes.ts";
import { CHANGED } from "../../../src/page-tables/changed.ts";
import { openKernelMemory } from "../../../src/page-tables/kernel-memory.ts";
import type { LeavesRead } from "../../../src/page-tables/leaf-tally.ts";
import { ProcessTables } from "../../../src/page-tables/processes.ts";
import { leavesTakenBy } from "./huge-faults.ts";
import { apis, openDevice } from "./open.ts";
import { arch, largest, model, pageSize, pmdSize } from "./paging.ts";
import { bindTo, readAttribute } from "./pci.ts";
import { leavesAt, steps } from "./touching.ts";
import { setTransparentHugepage } from "./transparent-hugepage.ts";

const bdf = "0000:00:10.0";
const bar = 2;

before(() => {
  bindTo(bdf);
  setTransparentHugepage("always");
});

/** The leaves of a stretch of this process. */
function readOwn(t: TestContext, address: bigint, size: number): LeavesRead {
  const started = performance.now();
  const kernel = openKernelMemory({ proc: "/proc", sys: "/sys" }, { arch, pageSize });
  try {
    const tables = new ProcessTables(kernel, "/proc");
    const opened = performance.now();
    const read = tables.leaves(process.pid, [{ address, size }]);
    t.diagnostic(
      `opened in ${(opened - started).toFixed(0)} ms, read in ${(performance.now() - opened).toFixed(0)} ms`,
    );
    assert.ok(read !== null && read !== CHANGED);
    const [leaves] = read;
    assert.ok(leaves !== undefined);
    return leaves;
  } finally {
    kernel.close();
  }
}

describe("page tables read from the kernel's memory", () => {
  for (const strategy of ["region", "none"] as const) {
    it(`are what the fault handler laid, by ${strategy}`, async (t) => {
      const mapping = openDevice(t, bdf, apis[0] ?? "group")
        .region(bar)
        .map({ strategy });
      assert.deepEqual(readOwn(t, mapping.base, 64 * GIB).leaves, []);
      const offsets = [
        ...steps(3 * GIB, pmdSize),
        ...steps(512 * pageSize, pageSize).map((offset) => 7 * GIB + offset),
      ];
      const taken = await leavesTakenBy(() => {
        for (const offset of offsets) mapping.read8(offset);
      });
      const { leaves, runs, mappedBytes, tables } = readOwn(t, mapping.base, 64 * GIB);
      t.diagnostic(`${JSON.stringify(leaves)}: ${mappedBytes} bytes, ${runs?.length} runs, ${tables} tables`);
      assert.deepEqual(leaves, taken);
      mapping.close();
    });
  }

  it("show a leaf as large as the address allows, wherever that is", async (t) => {
    const mapping = openDevice(t, bdf, apis[0] ?? "group")
      .region(bar)
      .map();
    const physical = BigInt(readAttribute(bdf, "resource").split("\n")[bar]?.split(" ")[0] ?? "");
    const spans = leafSpans({ address: mapping.base, size: 64 * GIB, physical }, model);
    for (const offset of [0, 5 * GIB + pageSize, 63 * GIB]) {
      mapping.read8(offset);
      const around = readOwn(t, mapping.base + BigInt(offset), pageSize);
      assert.deepEqual(around.leaves, leavesAt(spans, [offset]).tally);
      const [run] = around.runs ?? [];
      assert.equal(run?.physical, Number(physical) + offset - (offset % largest));
      assert.equal(around.mappedBytes, pageSize);
    }
    mapping.close();
  });
});
