/** Takes the guest down under its tests, as a crash of the kernel would. */

import { spawnSync } from "node:child_process";
import { it } from "node:test";

it("passes first", () => {});

it("takes the machine down", () => {
  spawnSync("reboot", ["-f"]);
});
