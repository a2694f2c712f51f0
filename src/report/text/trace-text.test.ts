import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { traceText } from "./trace-text.ts";

const KERNEL = { kernel: "6.12.115" };
const LAYOUT = { width: 100, fit: false, colour: false };

const fault = {
  pid: 2111,
  command: "qemu\u001b[2J",
  address: 0x7d1b40000000n,
  device: "0000:03:00.0",
  region: 2,
  order: 18,
  done: 188,
  fellBack: 1,
  failed: 0,
};

describe("traceText", () => {
  it("shows who took which faults, and what was lost", () => {
    const faults = [
      fault,
      { ...fault, pid: 0, command: "", device: null, region: null, order: 0, done: 49_286_912 },
    ];
    assert.equal(
      traceText({ ...KERNEL, faults, lost: 1200, seconds: 2, pageSize: 4096 }, LAYOUT),
      `\
 PID  COMMAND      DEVICE        REGION   LEAF        DONE  FELL BACK  FAILED
2111  qemu\\x1b[2J  0000:03:00.0  2       1 GiB         188          1       0
   ?  ?            ?             ?       4 KiB  49,286,912          1       0

49,287,100 faults on device memory in 2.0 s; 1,200 came too fast and are not counted.
`,
    );
  });

  it("says so when there was none", () => {
    assert.equal(
      traceText({ ...KERNEL, faults: [], lost: 0, seconds: 10, pageSize: null }, LAYOUT),
      "0 faults on device memory in 10.0 s.\n",
    );
  });
});
