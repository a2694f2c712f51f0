/**
 * The report as a parser of KTAP reads it, whatever kernels and processes have said. The rules are those of
 * Documentation/dev-tools/ktap.rst, and what tools/testing/kunit/kunit_parser.py makes of them: `kunit.py parse` was seen to count
 * reports as their last line does.
 */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { ConformReport, PointResult } from "../conform/conform.ts";
import { GIB } from "../layout/sizes.ts";
import { ktap } from "./conform-report.ts";

/** Where Python's `str.splitlines` splits, by which kunit.py reads a file. */
const LINE_ENDS = ["\n", "\r", "\v", "\f", "\u001C", "\u001D", "\u001E", "\u0085", "\u2028", "\u2029"];

function linesOf(text: string): string[] {
  return LINE_ENDS.reduce((lines, end) => lines.replaceAll(end, "\n"), text).split("\n");
}

const texts = fc
  .array(fc.constantFrom("no ", "# SKIP ", "ok 1 x", "1..9", "KTAP version 1", ...LINE_ENDS), {
    maxLength: 6,
  })
  .map((parts) => parts.join(""));

const points: fc.Arbitrary<PointResult> = fc.record({
  name: fc.constantFrom("order_by_alignment", "reset"),
  about: fc.constant("it holds"),
  commits: fc.constantFrom([], ['f9e54c3a2f5b ("vfio/pci: implement huge_fault support")']),
  outcome: fc.constantFrom("holds", "falls-short", "not-judged"),
  because: fc.option(texts),
  findings: fc.array(fc.record({ what: texts, due: texts, found: texts, holds: fc.boolean() }), {
    maxLength: 3,
  }),
});

const reports: fc.Arbitrary<ConformReport> = fc.record({
  release: texts,
  model: fc.constant("x86-64"),
  device: fc.constant("0000:01:00.0"),
  region: fc.constant({ index: 2, size: GIB, physical: 0n, kind: "prefetchable" } as const),
  evidence: fc.constantFrom("tables", "addresses"),
  because: fc.option(texts),
  advice: fc.constantFrom(null, "MADV_HUGEPAGE"),
  points: fc.array(points, { maxLength: 5 }),
});

describe("the report as KTAP", () => {
  it("has its version, its plan, and of each other line that it is a diagnostic or the next point's", () => {
    fc.assert(
      fc.property(reports, (report) => {
        const lines = linesOf(ktap(report));
        assert.equal(lines.pop(), "", "the last line ends");
        const [version, plan, ...rest] = lines;
        assert.equal(version, "KTAP version 1");
        assert.equal(plan, `1..${report.points.length}`);
        const results = rest.filter((line) => !line.startsWith("# "));
        assert.equal(results.length, report.points.length, results.join("|"));
        for (const [index, line] of results.entries()) {
          const [, result, number, name, skip] = /^(ok|not ok) (\d+) (\w+)( # SKIP\b.*)?$/.exec(line) ?? [];
          const point = report.points[index];
          assert.deepEqual([Number(number), name], [index + 1, point?.name], line);
          assert.equal(result, point?.outcome === "falls-short" ? "not ok" : "ok");
          assert.equal(skip !== undefined, point?.outcome === "not-judged");
        }
        assert.match(lines.at(-1) ?? "", /^# Totals: /);
      }),
    );
  });

  it("counts as its lines do", () => {
    fc.assert(
      fc.property(reports, (report) => {
        const lines = linesOf(ktap(report));
        const count = (pattern: RegExp): number => lines.filter((line) => pattern.test(line)).length;
        const skipped = count(/^ok \d+ \w+ # SKIP\b/);
        const totals = `pass:${count(/^ok /) - skipped} fail:${count(/^not ok /)} xfail:0 xpass:0 skip:${skipped} error:0`;
        assert.equal(lines.at(-2), `# Totals: ${totals}`);
      }),
    );
  });
});
