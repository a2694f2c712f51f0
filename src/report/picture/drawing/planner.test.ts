import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { pagingModels } from "../../../layout/paging.ts";
import { PLAN_FIELDS, planInput, type PlanInput } from "./planner.ts";

const EMPTY: PlanInput = { size: "", areas: "", arch: "x86-64", physical: "", guest: "", holes: "" };

/** What is said beside the fields, which must be one. */
function problemOf(input: Partial<PlanInput>): [field: string, text: string] {
  const { drawing, problems, command } = planInput({ ...EMPTY, size: "1G", ...input });
  assert.equal(drawing, null);
  assert.equal(command, null);
  const [problem, ...others] = problems;
  assert.ok(problem !== undefined && others.length === 0, [...problems].join("; "));
  return problem;
}

describe("planInput", () => {
  it("says in few words what cannot be used, however much is pasted, and shows what cannot be seen", () => {
    for (const field of ["size", "areas", "physical", "guest"] as const) {
      const [named, text] = problemOf({ [field]: "7".repeat(100_000) });
      assert.equal(named, field);
      assert.ok(text.length < 300, `${text.length}`);
      assert.match(text, /^Cannot use .*7…7.*: (?:it is|give) /);
    }
    assert.match(problemOf({ size: "4\u0000K" })[1], /"4\\x00K"/);
  });

  it("compares the strategies, with the physical one and a guest's view where they are asked for", () => {
    const gb200 = { ...EMPTY, size: "256G", areas: "0:0x2f00f00000" };
    const { drawing, problems, command } = planInput(gb200);
    assert.equal(problems.size, 0);
    assert.deepEqual(
      drawing?.strips.map(({ name, faults }) => [name, faults]),
      [
        ["none", 49_286_912],
        ["area", 49_286_912],
        ["region", 451],
      ],
    );
    assert.equal(command, "hugebar plan --size 256G --area 0:0x2f00f00000 --arch x86-64");
    const more = planInput({ ...gb200, physical: "4T", guest: "0x3800000000", holes: "0x2000:4K 8K:4K" });
    assert.deepEqual(
      more.drawing?.strips.map(({ name }) => name),
      ["none", "area", "region", "physical"].flatMap((name) => [name, `${name}, guest`]),
    );
    assert.match(
      more.command ?? "",
      / --physical 4T --guest-address 0x3800000000 --hole 0x2000:4K --hole 8K:4K$/,
    );
  });

  it("plans for every paging model", () => {
    for (const arch of Object.keys(pagingModels)) {
      assert.ok(planInput({ ...EMPTY, size: "64G", arch }).drawing !== null, arch);
    }
  });

  it("says nothing before there is a size", () => {
    assert.deepEqual(planInput(EMPTY), { drawing: null, problems: new Map(), command: null });
    assert.equal(planInput({ ...EMPTY, areas: "0:1" }).problems.size, 0);
  });

  it("says what is wrong beside the field that it is about, in the words of the table of errors", () => {
    assert.deepEqual(problemOf({ size: "12X" }), [
      "size",
      'Cannot use the size "12X": give bytes (4096, 0x1000) or a whole number with a binary suffix (64K, 2M, 1G)',
    ]);
    assert.deepEqual(problemOf({ areas: "0:4K\n5" }), ["areas", "Cannot use area 1 5: give OFFSET:SIZE"]);
    assert.deepEqual(problemOf({ areas: "0:2G" }), [
      "areas",
      "Cannot map region of this shape: area 0 (0x0+0x80000000) lies outside the region (0x40000000)",
    ]);
    assert.equal(problemOf({ arch: "z80" })[0], "arch");
    assert.deepEqual(problemOf({ physical: "7" }), [
      "physical",
      "Cannot use the physical address 7: it is not a multiple of the page size (4 KiB)",
    ]);
    assert.equal(problemOf({ guest: "1G", holes: "x" })[0], "holes");
    assert.deepEqual(problemOf({ holes: "0:4K" }), ["holes", "Holes need the guest's address"]);
    assert.match(
      problemOf({ arch: "riscv64", guest: "1G" })[1],
      /^Cannot plan a guest on riscv64: KVM's rule/,
    );
  });

  it("answers whatever is typed", () => {
    const typed = fc.oneof(
      fc.string(),
      fc.constantFrom("", "1G", "0:4K", "0x1000", "64K:64K,0:4K", "x86-64"),
    );
    const inputs = fc.record(Object.fromEntries(PLAN_FIELDS.map((field) => [field, typed])));
    fc.assert(
      fc.property(inputs, (some) => {
        const { drawing, problems } = planInput({ ...EMPTY, ...some });
        assert.ok(drawing === null || problems.size === 0);
      }),
    );
  });
});
