import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { adviceOf, REASONS, type ReasonFacts } from "./reasons.ts";

const facts: ReasonFacts = {
  kernel: "6.12.107",
  thp: "madvise",
  miss: "0x1ff000 past a 2 MiB boundary",
  byArea: true,
  pieces: 2,
  path: "vfio",
  driver: "vfio-pci",
  arch: "x86_64",
  handler: { mapsWrongMemory: true, dependsOnOrder: true },
};

describe("the reasons", () => {
  it("are those that docs/inspect.md lists", () => {
    const manual = readFileSync(new URL("../../../docs/inspect.md", import.meta.url), "utf8");
    const [, section = ""] = manual.split("\n## Verdicts\n");
    const listed = [...section.matchAll(/^\| `(?<code>[a-z-]+)` \|/gm)].map(({ groups }) => groups?.["code"]);
    assert.deepEqual(new Set(listed), new Set(REASONS));
  });

  it("say what to do in one sentence without its full stop", () => {
    for (const code of REASONS) {
      for (const path of ["vfio", "sysfs"]) {
        const advice = adviceOf(code, { ...facts, path });
        assert.match(advice, /^\S.*[^.\s]$/, code);
        assert.doesNotMatch(advice, /undefined|null/, code);
      }
    }
    assert.match(
      adviceOf("misaligned", facts),
      /^the mapping starts 0x1ff000 past a 2 MiB boundary: .*areas at best, not regions/,
    );
  });
});
