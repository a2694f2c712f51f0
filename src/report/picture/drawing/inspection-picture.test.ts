import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { inspectMachine } from "../../../inspect/inspect.ts";
import { GIB } from "../../../layout/sizes.ts";
import type { Picture } from "./picture.ts";
import { inspectionPicture } from "./inspection-picture.ts";

function pictureOf(machine: string, all: boolean): Picture {
  const root = fileURLToPath(new URL(`../../../../test/machines/${machine}`, import.meta.url));
  return inspectionPicture(inspectMachine({ proc: `${root}/proc`, sys: `${root}/sys` }), all);
}

describe("inspectionPicture", () => {
  it("draws the mapping of the patch as it was, and as it could be", () => {
    const { drawings } = pictureOf("gb200-64k", false);
    const strips = drawings.flatMap((drawing) =>
      drawing.strips.map(({ name, faults }) => ({ name, faults })),
    );
    assert.deepEqual(strips.slice(0, 2), [
      { name: "now", faults: 3_080_432 },
      { name: "best", faults: 616 },
    ]);
  });

  it("draws each mapping's leaves to the last byte, now and at best, in every recorded machine", () => {
    for (const machine of ["gb200-64k", "x86-madvise", "x86-mixed", "x86-old", "x86-qemu"]) {
      const { drawings } = pictureOf(machine, true);
      assert.ok(drawings.length > 0, machine);
      for (const { strips, size, title } of drawings) {
        for (const { spans, pieces } of strips) {
          const mapped = pieces().reduce((sum, piece) => sum + piece.size, 0);
          const onLeaves = spans.reduce((sum, span) => sum + (span.kind === "gap" ? 0 : span.size), 0);
          assert.equal(onLeaves, mapped, title);
          assert.equal(
            spans.reduce((sum, span) => sum + span.size, 0),
            size,
            title,
          );
        }
      }
    }
  });

  it("draws the whole region where its size is known, and what is not mapped of it as such", () => {
    const [drawing, ...others] = pictureOf("x86-qemu", false).drawings.filter(
      ({ title }) => title === "qemu-system-x86 (2100): region 2 of 0000:02:00.0",
    );
    assert.ok(drawing !== undefined && others.length === 0);
    assert.equal(drawing.size, 256 * GIB);
    for (const { spans } of drawing.strips) {
      const unmapped = { offset: 0x2f_00f0_0000, size: 256 * GIB - 0x2f_00f0_0000, kind: "gap" };
      assert.deepEqual(spans.at(-1), unmapped);
    }
    assert.deepEqual(drawing.legend.at(-1), { kind: "gap", label: "not mapped" });
  });

  it("says what the best would take", () => {
    const about = (machine: string): string[] =>
      pictureOf(machine, false).drawings.map(({ strips }) => strips[1]?.about ?? "");
    assert.deepEqual(new Set(about("x86-qemu")), new Set(["with the region aligned"]));
    assert.deepEqual(new Set(about("x86-madvise")), new Set(["with nothing in its way"]));
    assert.ok(about("x86-mixed").includes("as one mapping, with the region aligned"));
  });

  it("says where a picture ends because the size of the region is not known", () => {
    const [drawing] = pictureOf("gb200-64k", true).drawings;
    assert.equal(drawing?.size, 0x2f_00f0_0000);
    assert.match(drawing.notes.join("\n"), /the size of the region is not known/);
  });

  it("draws of very many those with the most to gain", () => {
    const root = fileURLToPath(new URL("../../../../test/machines/x86-qemu", import.meta.url));
    const inspection = inspectMachine({ proc: `${root}/proc`, sys: `${root}/sys` });
    const processes = inspection.processes.flatMap((process) => Array.from({ length: 100 }, () => process));
    const { drawings, notes } = inspectionPicture({ ...inspection, processes }, true);
    assert.equal(drawings.length, 500);
    assert.match(notes.join("\n"), /^Left out, as there are too many: 200 regions with less to gain/m);
    const short = drawings.filter(({ strips }) => strips.length === 2);
    assert.equal(short.length, 200, "all that fall short");
  });

  it("leaves out what is as good as possible, and says so", () => {
    const all = pictureOf("x86-qemu", true).drawings.length;
    const short = pictureOf("x86-qemu", false);
    const left = all - short.drawings.length;
    assert.ok(left > 0);
    assert.match(
      short.notes.join("\n"),
      new RegExp(`^Left out, as good as possible: ${left} regions? \\(--all draws`, "m"),
    );
  });
});
