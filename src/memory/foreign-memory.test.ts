import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { constants } from "node:os";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import * as c from "../system/constants.ts";
import { linux } from "../system/libc.ts";
import { SystemCallError, type System } from "../system/system.ts";
import { cover } from "./cover.ts";
import { ForeignMemory } from "./foreign-memory.ts";
import { isOneMapping } from "./own-mappings.ts";
import { waitingMemory } from "./waiting-memory.ts";

const SIZE = 4 * linux.pageSize;
const fileOf = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const closed = fileOf("closed-memory.fixture.ts");
const jobs = fileOf("jobs.fixture.ts");
const options = { encoding: "utf8", timeout: 120_000 } as const;

function mapAnonymous(): bigint {
  return linux.mmap(0n, SIZE, c.PROT_READ | c.PROT_WRITE, c.MAP_PRIVATE | c.MAP_ANONYMOUS, -1, 0);
}

function open(system: System = linux): ForeignMemory {
  const memory = new ForeignMemory(mapAnonymous(), SIZE, system);
  const view = linux.view(memory.address, SIZE);
  new Uint8Array(view).fill(5);
  linux.detach(view);
  return memory;
}

function isMapped({ address }: ForeignMemory): boolean {
  return isOneMapping(address, address + BigInt(SIZE));
}

describe("ForeignMemory", () => {
  it("goes at once where no buffer was given out", () => {
    const memory = open();
    let gone = 0;
    memory.close(() => (gone += 1));
    memory.close(() => (gone += 1));
    assert.deepEqual([gone, isMapped(memory)], [1, false]);
  });

  it("stays what it is while a lease lasts, and goes with the last one", () => {
    const memory = open();
    const first = memory.lease(0, 8);
    const release = memory.hold();
    let gone = 0;
    memory.close(() => (gone += 1));
    const bytes = new Uint8Array(first.buffer);
    assert.deepEqual([bytes[0], gone], [5, 0]);
    release();
    release();
    assert.deepEqual([bytes[0], gone], [5, 0]);
    first.release();
    first.release();
    assert.deepEqual([bytes[0], gone], [0, 1]);
    assert.equal(isMapped(memory), true);
  });

  it("cannot be transferred, resized or moved to another thread, and can be copied", () => {
    const memory = open();
    const view = memory.view(0, SIZE);
    const { port1 } = new MessageChannel();
    for (const carry of [
      () => view.transfer(),
      () => view.transferToFixedLength(),
      () => structuredClone(view, { transfer: [view] }),
      () => port1.postMessage(view, [view]),
      () => view.resize(0),
    ]) {
      assert.throws(carry);
      assert.equal(view.byteLength, SIZE);
    }
    port1.close();
    const message =
      "Cannot transfer a view of foreign memory: it belongs to its mapping; copy it with slice()";
    assert.throws(() => view.transfer(), { code: "ERR_NOT_SUPPORTED", message });
    assert.equal(structuredClone(view).byteLength, SIZE);
    assert.deepEqual([...new Uint8Array(view.slice(0, 2))], [5, 5]);
    memory.close();
  });

  it("takes a sparse file where the kernel promises no anonymous memory, and tells where it has none", () => {
    const address = mapAnonymous();
    const flags: number[] = [];
    const strict: System = {
      ...linux,
      mmap(at, length, protection, flag, fd, offset) {
        flags.push(flag);
        if (fd === -1) throw new SystemCallError("mmap", constants.errno.ENOMEM);
        return linux.mmap(at, length, protection, flag, fd, offset);
      },
    };
    assert.equal(cover(address, SIZE, strict), true);
    assert.deepEqual(
      flags.map((flag) => flag & (c.MAP_SHARED | c.MAP_PRIVATE | c.MAP_FIXED)),
      [c.MAP_PRIVATE | c.MAP_FIXED, c.MAP_SHARED | c.MAP_FIXED],
    );
    const none: System = {
      ...strict,
      memfd_create() {
        throw new SystemCallError("memfd_create", constants.errno.EMFILE);
      },
    };
    assert.equal(cover(address, SIZE, none), false);
    linux.munmap(address, SIZE);
  });

  it("tries again to unmap what the kernel did not, when the next range goes", () => {
    const before = waitingMemory();
    let refuse = true;
    const system: System = {
      ...linux,
      munmap(address, length) {
        if (refuse) throw new SystemCallError("munmap", constants.errno.ENOMEM);
        linux.munmap(address, length);
      },
    };
    const [memory, next] = [open(system), open()];
    memory.close();
    assert.equal(waitingMemory().ranges, before.ranges + 1);
    assert.equal(isMapped(memory), true);
    refuse = false;
    next.close();
    assert.equal(waitingMemory().ranges, before.ranges);
    assert.deepEqual([isMapped(memory), isMapped(next)], [false, false]);
  });
});

/** Each runs in a process of its own, since what fails here ends the process by a signal. */
describe("what a caller still holds after close", () => {
  const run = (scenario: string): string =>
    execFileSync(process.execPath, ["--expose-gc", closed, scenario], options);

  for (const scenario of ["methods", "coercion"]) {
    it(`throws or does nothing: ${scenario}`, () => assert.equal(run(scenario), "gone\n"));
  }
  for (const scenario of ["views", "dropped view"]) {
    it(`is harmless, and given back: ${scenario}`, () => assert.equal(run(scenario), "given back\n"));
  }
  for (const scenario of [
    "transfer by force",
    "byte stream",
    "reading into it from a byte stream",
    "transfer by force after close",
    "byte stream after close",
    "transfer long after close",
  ]) {
    it(`stays for good where it was carried off: ${scenario}`, () => {
      assert.equal(run(scenario), "harmless\n");
    });
  }
  it("does not grow as views are made and dropped", () => assert.equal(run("many views"), "bounded\n"));
  it("is gone when a lease is leaked", () => assert.equal(run("leaked lease"), "gone\n"));
});

/** Every interface of Node that uses a buffer after the call, its memory closed meanwhile. */
describe("a job that outlives its memory", { concurrency: 2 }, () => {
  const names = execFileSync(process.execPath, [jobs], options).split("\n");
  const shared = ["fs.read", "zlib.deflate", "crypto.randomFill"];
  for (const [owner, name] of [
    ...names.map((each) => ["mapping", each]),
    ...shared.map((each) => ["shared", each]),
  ]) {
    it(`ends, and the address space is given back: ${name}, ${owner}`, async () => {
      const file = promisify(execFile);
      const { stdout } = await file(
        process.execPath,
        ["--expose-gc", jobs, owner ?? "", name ?? ""],
        options,
      );
      assert.equal(stdout, "given back\n");
    });
  }
});
