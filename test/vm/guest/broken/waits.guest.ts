/** Says that it is there on the third serial port, and waits for a word. */

import { closeSync, openSync, readSync, writeSync } from "node:fs";
import { it } from "node:test";

it("waits for a word", () => {
  const port = openSync("/dev/ttyS2", "r+");
  writeSync(port, "here\n");
  readSync(port, new Uint8Array(1));
  closeSync(port);
});
