/** A machine whose IOMMU is off. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { openDevice } from "../../../src/open.ts";
import { linux } from "../../../src/system/libc.ts";
import { planBind } from "../../../src/vfio/bind/plan.ts";
import { surveyOf } from "../../../src/vfio/uses/machine/survey.ts";

const bdf = "0000:00:10.0";

describe("a machine without an IOMMU", () => {
  it("opens no device, and says what to switch on", () => {
    const problem =
      "no IOMMU stands before it; switch the IOMMU on in the firmware and, for Intel, with intel_iommu=on on the kernel's command line";
    assert.throws(() => openDevice(bdf), {
      code: "ERR_NOT_SUPPORTED",
      exitCode: 1,
      message: `Cannot open ${bdf}: ${problem}`,
    });
    assert.throws(() => planBind(surveyOf({ sys: "/sys", proc: "/proc" }, linux), bdf), {
      code: "ERR_NOT_SUPPORTED",
      message: `Cannot bind ${bdf}: ${problem}`,
    });
  });
});
