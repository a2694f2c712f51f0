import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";

import { leaveOut } from "./left-out.ts";

describe("a test that lacks what it needs", () => {
  for (const value of ["", "0", "false", undefined]) {
    it(`is skipped and says why, with CI ${value === undefined ? "unset" : JSON.stringify(value)}`, (t) => {
      assert.deepEqual(leftOutWith(t, value), ["left out: there is no QEMU"]);
    });
  }

  for (const value of ["1", "true", "github"]) {
    it(`fails with CI ${JSON.stringify(value)}`, (t) => {
      assert.throws(() => leftOutWith(t, value), /left out: there is no QEMU; with CI set no test may be/);
    });
  }
});

/** What such a test was skipped with. */
function leftOutWith(t: TestContext, value: string | undefined): unknown[] {
  const { CI } = process.env;
  t.after(() => setCi(CI));
  setCi(value);
  const skip = t.mock.fn<(message?: string) => void>();
  leaveOut({ skip }, "there is no QEMU");
  return skip.mock.calls.flatMap(({ arguments: [message] }) => message);
}

function setCi(value: string | undefined): void {
  if (value === undefined) delete process.env["CI"];
  else process.env["CI"] = value;
}
