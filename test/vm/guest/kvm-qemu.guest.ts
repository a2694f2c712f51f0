/** Three real QEMUs whose guests run by KVM and read a BAR: both stages as predicted, as read, and as KVM counts. */

import assert from "node:assert/strict";
import { before, describe, it } from "node:test";

import { GIB, MIB } from "../../../src/layout/sizes.ts";
import { bar, bdf, verdictAt } from "./inspected-qemu.ts";
import { hasKvm } from "./kvm/has-kvm.ts";
import {
  grown,
  inspectMonitor,
  leavesCounted,
  leavesPredicted,
  leavesRead,
  total,
} from "./kvm/leaves-seen.ts";
import { startQemuGuest } from "./kvm/qemu-guest.ts";
import { bindTo } from "./pci.ts";
import { guestQemus } from "./qemu.ts";
import { steps } from "./touching.ts";
import { setTransparentHugepage } from "./transparent-hugepage.ts";

const barSize = 4 * GIB;

before(() => {
  assert.ok(hasKvm());
  bindTo(bdf);
  setTransparentHugepage("always");
});

describe("the second stage of a QEMU's guest", () => {
  for (const role of guestQemus) {
    it(`is as predicted, as read and as counted: ${role}`, async (t) => {
      const { pid, read, stop } = await startQemuGuest(role, bdf);
      t.after(stop);
      const counted = leavesCounted(pid);
      await read(barSize / (2 * MIB));
      const byKvm = grown(counted, leavesCounted(pid));
      const { pieces, mappings } = inspectMonitor(pid);
      const ofBar = pieces.filter(({ mapping }) => mapping.identity.region === bar);
      const predicted = leavesPredicted(ofBar, () => steps(barSize, 2 * MIB));
      const inTables = leavesRead(ofBar);
      const host = mappings.find(({ identity }) => identity.region === bar);
      const [vma] = host?.vmas ?? [];
      assert.ok(vma !== undefined);
      const verdicts = ofBar.map(({ verdict, reasons }) => [verdict, ...reasons.map(({ code }) => code)]);
      t.diagnostic(
        `QEMU (${role}) at 0x${vma.start.toString(16)}, in the guest at 0x${ofBar[0]?.guestAddress.toString(16)}: ` +
          `${JSON.stringify(inTables)}, host ${JSON.stringify(host?.tables?.leaves)}, ${JSON.stringify(verdicts)}`,
      );
      assert.deepEqual(inTables, predicted, "read and predicted");
      assert.deepEqual(byKvm, predicted, "counted by KVM and predicted");
      // QEMU has mapped all of it for DMA, by which the host's leaves came.
      assert.deepEqual(total([host?.tables?.leaves ?? []]), total([host?.now?.leaves ?? []]), "the host's");
      const verdict = verdictAt(vma.start);
      assert.deepEqual([...new Set(verdicts.map(([each]) => each))], [verdict]);
      if (role !== "unaligned") assert.deepEqual(inTables, { [GIB]: barSize / GIB });
    });
  }
});
