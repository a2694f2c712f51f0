/** `hugebar conform` as somebody asked for it, on whatever kernel this is: `test/vm/conform.ts` passes it on. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { describe, it } from "node:test";

import * as v from "valibot";

import { conformBdf, outcomePrefix } from "../conform-outcome.ts";
import { hasKvm } from "./kvm/has-kvm.ts";
import { bindTo } from "./pci.ts";

const words = v.parse(v.array(v.string()), JSON.parse(process.env["CONFORM_WORDS"] ?? "[]"));

// In a suite: what is said outside is the run's own summary to the reporter.
describe("a kernel that was given", () => {
  it("hugebar conform", (t) => {
    assert.ok(
      existsSync("/sys/bus/pci/drivers/vfio-pci"),
      "this kernel has no vfio-pci: it needs CONFIG_VFIO_PCI, built in or with its modules given by --modules",
    );
    hasKvm();
    bindTo(conformBdf, process.env["CONFORM_DRIVER"]);
    const command = ["src/cli/main.ts", "conform", conformBdf, "--region", "2", ...words];
    const { status, signal, stdout, stderr } = spawnSync(process.execPath, command, { encoding: "utf8" });
    t.diagnostic(outcomePrefix + JSON.stringify({ status, signal, stdout, stderr }));
  });
});
