/** Where an author may put the MSI-X table and its pending bits. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { buildDevice } from "../served-device.ts";
import type { InBar } from "./pci-capabilities.ts";

function build(vectors: number, table: InBar, pba: InBar): void {
  const description = {
    pci: { vendor: 1, device: 2, capabilities: [{ type: "msix", vectors, table, pba }] },
    regions: [
      { index: 0, size: 256, bar: { type: "io" } },
      { index: 1, size: 4096 },
      { index: 6, size: 4096 },
    ],
  } as const;
  buildDevice(description, "/none", () => assert.fail()).release();
}

const at = (bar: number, offset: number): InBar => ({ bar, offset });

describe("MSI-X structures", () => {
  it("stand side by side in memory BARs", () => {
    build(2, at(1, 0), at(1, 32));
    build(2, at(1, 8), at(1, 0));
    build(128, at(1, 0), at(1, 4096 - 16));
  });

  it("are refused elsewhere, and over each other", () => {
    const wrong: [RegExp, number, InBar, InBar][] = [
      [/in memory space/, 2, at(0, 0), at(1, 0)],
      [/in memory space/, 2, at(1, 0), at(0, 0)],
      [/no such BAR/, 2, at(3, 0), at(1, 0)],
      // The upper half of BAR 1.
      [/no such BAR/, 2, at(1, 0), at(2, 0)],
      [/ends at 4104, and its BAR has 4096 bytes/, 2, at(1, 4096 - 24), at(1, 0)],
      [/ends at 4104/, 65, at(1, 0), at(1, 4096 - 8)],
      [/share bytes/, 2, at(1, 0), at(1, 24)],
      [/share bytes/, 2, at(1, 8), at(1, 8)],
      [/share bytes/, 65, at(1, 8), at(1, 0)],
    ];
    for (const [message, vectors, table, pba] of wrong)
      assert.throws(() => build(vectors, table, pba), { code: "ERR_ARGUMENT", message });
  });
});
