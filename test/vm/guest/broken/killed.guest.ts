/** A test whose process is killed. */

import { it } from "node:test";

it("is killed", () => {
  process.kill(process.pid, "SIGSEGV");
});
