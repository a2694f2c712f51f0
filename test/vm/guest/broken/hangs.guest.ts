/** Never ends: the host must. */

import { it } from "node:test";

it("hangs", () => {
  for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
});
