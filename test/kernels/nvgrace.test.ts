/** Linux' own nvgrace-gpu in an arm64 guest, with a GPU that `hugebar serve --like` serves and another device's BAR as its memory. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";

import { pciTestdev } from "../vm/devices.ts";
import { runGuestTests } from "../vm/guest-tests.ts";

const main = join(import.meta.dirname, "../../src/cli/main.ts");

/** Serves the device for as long as the test runs; the socket. */
async function serve(t: TestContext, likeness: string): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "hugebar-superchip-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const socket = join(folder, "gpu");
  const words = [
    "--disable-warning=ExperimentalWarning",
    main,
    "serve",
    "--socket",
    socket,
    "--like",
    likeness,
  ];
  const child = spawn(process.execPath, words, { stdio: ["ignore", "ignore", "pipe"] });
  t.after(() => child.kill("SIGTERM"));
  const said: unknown[] = await once(child.stderr, "data");
  assert.match(String(said[0]), /^hugebar: listening at /);
  return socket;
}

/** What the driver does on each: base pages as it maps, from Linux 6.19 on what a fault's alignment gives. */
const kernels = { "arm64-64k": "base pages", "arm64-64k-newest": "huge pages" } as const;
const cases = (["gb200", "gh200"] as const).flatMap((likeness) =>
  (["arm64-64k", "arm64-64k-newest"] as const).map((kernel) => ({ likeness, kernel })),
);

describe("nvgrace-gpu", () => {
  for (const { likeness, kernel } of cases) {
    it(`binds to what is served like a ${likeness}'s GPU on the kernel for ${kernel}, and hugebar says what that driver does`, async (t) => {
      await runGuestTests(t, {
        kernel,
        tests: ["test/vm/guest/nvgrace.guest.ts"],
        vfioUser: [await serve(t, likeness)],
        devices: [pciTestdev(0x11, "256G")],
        // 188 GiB and 15 MiB at 0x400000000000, where the largest BAR is laid.
        deviceTree: [
          {
            name: "gpu@18,0",
            properties: {
              reg: [0xc000, 0, 0, 0, 0],
              "nvidia,gpu-mem-base-pa": [0x4000, 0],
              "nvidia,gpu-mem-size": [0x2f, 0xf00000],
            },
          },
        ],
        environment: { LIKENESS: likeness, LAYS: kernels[kernel] },
        qemus: ["area-aligned", "region-aligned"],
        timeLimitSeconds: 1200,
        memoryMebibytes: 3072,
      });
    });
  }
});
