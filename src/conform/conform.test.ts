import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { hugebarError } from "../errors.ts";
import { pagingModels } from "../layout/paging.ts";
import { linux } from "../system/libc.ts";
import { SystemCallError } from "../system/system.ts";
import { MAP_SHARED, MFD_CLOEXEC, PROT_READ } from "../system/constants.ts";
import { runPoints } from "./conform.ts";
import { openObserver, type Observer } from "./observer.ts";
import { CannotJudge, type Point } from "./point.ts";
import type { Subject } from "./subject.ts";

const unused = (): never => assert.fail("no point asks for it");
const subject: Subject = {
  system: linux,
  model: pagingModels["x86-64"],
  fd: -1,
  fdOffset: 0,
  size: 0,
  protection: 0,
  advice: null,
  physical: 0n,
  kind: "prefetchable",
  device: { decodeMemory: unused, reset: unused, isGone: () => false, exportDmaBuf: unused, dma: null },
};
const observer: Observer = {
  evidence: "tables",
  because: null,
  reach: unused,
  touch: unused,
  touchAnew: unused,
  others: null,
  forget: () => undefined,
  close: () => undefined,
};

function point(name: string, run: Point["run"], needsHugeLeaves = false): Point {
  return { name, about: name, commits: [], needsHugeLeaves, run };
}

function failing(name: string, error: Error): Point {
  return point(name, () => {
    throw error;
  });
}

const allowance = { closed: null, advice: null };

describe("runPoints", () => {
  it("tells each point as soon as it was tried, and before the next one", async () => {
    const order: string[] = [];
    const points = ["one", "two"].map((name) => point(name, () => void order.push(name)));
    const results = await runPoints(subject, observer, {
      allowance,
      points,
      tried: ({ name, outcome }, index) => order.push(`${index} ${name} ${outcome}`),
    });
    assert.deepEqual(order, ["one", "0 one holds", "two", "1 two holds"]);
    assert.deepEqual(
      results.map(({ name }) => name),
      ["one", "two"],
    );
  });

  it("goes on where a call is refused: for want of something unjudged, else the kernel's fault", async () => {
    const points = [
      failing("limits", new SystemCallError("mmap", 12)),
      failing("gone", new SystemCallError("ioctl", 19)),
      failing("refused", new SystemCallError("mprotect", 22)),
      failing("nothing to say", new CannotJudge("no leaf fits")),
    ];
    const results = await runPoints(subject, observer, { allowance, points });
    assert.deepEqual(
      results.map(({ outcome }) => outcome),
      ["not-judged", "not-judged", "falls-short", "not-judged"],
    );
    assert.match(results[0]?.because ?? "", /ENOMEM/);
    assert.deepEqual(results[2]?.findings, [
      { what: "mprotect", due: "done", found: "EINVAL", holds: false },
    ]);
  });

  it("takes a refusal for the point's that the library has put into words", async () => {
    const refusal = (errno: number): Error =>
      hugebarError("ERR_SYSTEM", { action: "reset it", problem: "no" }, new SystemCallError("ioctl", errno));
    const points = [
      failing("limits", refusal(12)),
      failing("refused", refusal(22)),
      point("next", () => undefined),
    ];
    const results = await runPoints(subject, observer, { allowance, points });
    assert.deepEqual(
      results.map(({ outcome, because }) => [outcome, because]),
      [
        ["not-judged", "Cannot reset it: no"],
        ["falls-short", null],
        ["holds", null],
      ],
    );
    assert.deepEqual(results[1]?.findings, [{ what: "ioctl", due: "done", found: "EINVAL", holds: false }]);
  });

  it("blames no kernel for a device that is gone", async () => {
    const gone = { ...subject, device: { ...subject.device, isGone: () => true } };
    const points = [
      point("leaf", (bench) => bench.note("its leaf", "2 MiB", "4 KiB")),
      failing("refused", new SystemCallError("mmap", 22)),
      point("log", () => undefined),
    ];
    const results = await runPoints(gone, observer, { allowance, points });
    assert.deepEqual(
      results.map(({ outcome, because }) => [outcome, because]),
      [
        ["not-judged", "the device does not answer any more"],
        ["not-judged", "the device does not answer any more"],
        ["holds", null],
      ],
    );
  });

  it("ends where nothing may be touched any more, which is no point's matter", async () => {
    const error = hugebarError("ERR_NOT_SUPPORTED", { action: "go on", problem: "decoding stays off" });
    const points = [failing("one", error), point("two", unused)];
    await assert.rejects(runPoints(subject, observer, { allowance, points }), error);
  });

  it("ends with an error of its own, when the points before were told", async () => {
    const told: string[] = [];
    const points = [point("one", () => undefined), failing("two", new Error("a bug"))];
    await assert.rejects(
      () => runPoints(subject, observer, { allowance, points, tried: ({ name }) => told.push(name) }),
      /a bug/,
    );
    assert.deepEqual(told, ["one"]);
  });

  it("skips what needs huge leaves where none may be", async () => {
    const points = [point("huge", unused, true), point("any", () => undefined)];
    const closed = { closed: "enabled is never", advice: null };
    assert.deepEqual(
      (await runPoints(subject, observer, { allowance: closed, points })).map(({ outcome, because }) => [
        outcome,
        because,
      ]),
      [
        ["not-judged", "enabled is never"],
        ["holds", null],
      ],
    );
  });

  it("ends between two points when it is told to, having heard what came meanwhile", async () => {
    let isOver = false;
    const points = [
      point("one", () => void setImmediate(() => (isOver = true))),
      point("two", () => undefined),
      point("three", unused),
    ];
    const results = await runPoints(subject, observer, { allowance, points, isOver: () => isOver });
    const names = results.map(({ name }) => name);
    assert.ok(names.length < 3 && names[0] === "one", names.join());
  });

  it("finds that a page is not there, by which a process of its own would end", async (t) => {
    const { pageSize } = linux;
    const fd = linux.memfd_create("short", MFD_CLOEXEC);
    t.after(() => linux.close(fd));
    linux.ftruncate(fd, pageSize);
    const address = linux.mmap(0n, 2 * pageSize, PROT_READ, MAP_SHARED, fd, 0);
    t.after(() => linux.munmap(address, 2 * pageSize));
    const real = openObserver(linux, { ...pagingModels["x86-64"], pageSize }, "none");
    t.after(() => real.close());
    const mapping = { address, size: 2 * pageSize, physical: 0n };
    const touching = point("touch", (bench) => {
      bench.expectLeafAtOnce(mapping, 0, "the first");
      bench.expectLeafAtOnce(mapping, pageSize, "the second");
      bench.touch(mapping, pageSize);
    });
    const [result] = await runPoints(subject, real, { allowance, points: [touching] });
    assert.equal(result?.outcome, "falls-short");
    assert.deepEqual(result.findings.map(({ what, found }) => [what, found]).slice(1), [
      ["the second", "nothing: SIGBUS"],
      [`the page at 0x${pageSize.toString(16)}`, "nothing: SIGBUS"],
    ]);
  });
});
