import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ConformReport, PointResult } from "../conform/conform.ts";
import { GIB } from "../layout/sizes.ts";
import { conformJson, ktap, ktapEnd, ktapHead, ktapPoint } from "./conform-report.ts";

const point: PointResult = {
  name: "order_by_alignment",
  about: "a fault takes the largest order",
  commits: ['f9e54c3a2f5b ("vfio/pci: implement huge_fault support")'],
  outcome: "holds",
  because: null,
  findings: [{ what: "congruent, at 0x0", due: "1 GiB", found: "1 GiB", holds: true }],
};

const report: ConformReport = {
  release: "6.12.117",
  model: "x86-64",
  device: "0000:01:00.0",
  region: { index: 2, size: 64 * GIB, physical: 0x3ff000000000n, kind: "prefetchable" },
  evidence: "addresses",
  because: "this kernel has no BTF",
  advice: null,
  points: [
    point,
    {
      ...point,
      name: "any_page_first",
      outcome: "falls-short",
      findings: [
        { what: "2 MiB, touched first at 0x1000", due: "2 MiB", found: "4 KiB", holds: false },
        { what: "2 MiB, its first page then", due: "2 MiB", found: "2 MiB", holds: true },
      ],
    },
    { ...point, name: "reset", outcome: "not-judged", because: "the device cannot be reset", findings: [] },
  ],
};

describe("ktap", () => {
  it("is version 1, with what is wrong before the line that says so", () => {
    assert.deepEqual(ktap(report).split("\n"), [
      "KTAP version 1",
      "1..3",
      "# Linux 6.12.117, x86-64: region 2 of 0000:01:00.0, 64 GiB at 0x3ff000000000",
      "# it is read, and nothing is written to it: a prefetchable BAR, which reading does nothing to",
      "# evidence: addresses (this kernel has no BTF)",
      "ok 1 order_by_alignment",
      "# 2 MiB, touched first at 0x1000: 4 KiB, due 2 MiB",
      '# see f9e54c3a2f5b ("vfio/pci: implement huge_fault support")',
      "not ok 2 any_page_first",
      "ok 3 reset # SKIP the device cannot be reset",
      "# Totals: pass:1 fail:1 xfail:0 xpass:0 skip:1 error:0",
      "",
    ]);
  });

  it("keeps to a line what a process or a kernel said in several", () => {
    const because = "the other process ended with 1: Error: no\n    at main.ts:1\r\nok 2 not_this";
    const lines = ktap({ ...report, points: [{ ...point, outcome: "not-judged", because }] }).split("\n");
    assert.deepEqual(lines.slice(5), [
      "ok 1 order_by_alignment # SKIP the other process ended with 1: Error: no at main.ts:1 ok 2 not_this",
      "# Totals: pass:0 fail:0 xfail:0 xpass:0 skip:1 error:0",
      "",
    ]);
  });

  it("says that mappings are advised, where the setting asks for it", () => {
    const lines = ktapHead({ ...report, advice: "MADV_HUGEPAGE" }, 3).split("\n");
    assert.equal(
      lines[5],
      "# all mappings are advised MADV_HUGEPAGE: transparent_hugepage/enabled is madvise",
    );
  });

  it("is its parts, one after the other", () => {
    const { points } = report;
    const parts = [ktapHead(report, points.length), ...points.map(ktapPoint), ktapEnd(points)];
    assert.equal(parts.join(""), ktap(report));
  });
});

describe("conformJson", () => {
  it("writes the physical address as an address, and all findings", () => {
    const json: unknown = JSON.parse(JSON.stringify(conformJson(report)));
    assert.deepEqual(json, {
      schemaVersion: 1,
      ...report,
      region: { index: 2, size: 64 * GIB, physical: "0x3ff000000000", kind: "prefetchable" },
    });
  });
});
