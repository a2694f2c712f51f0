import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { openDescriptors } from "./descriptors.fixture.ts";
import { EFD_CLOEXEC, EFD_NONBLOCK, EPOLLIN } from "./constants.ts";
import { linux } from "./libc.ts";
import { watchDescriptor } from "./doorbell.ts";

const ONE = new Uint8Array(new BigUint64Array([1n]).buffer);

function threads(): number {
  return readdirSync("/proc/self/task").length;
}

describe("the doorbell", () => {
  it("rings once for each time it is armed", async () => {
    const fd = linux.eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    let rings = 0;
    let ring = Promise.withResolvers<void>();
    const watch = watchDescriptor(fd, () => {
      rings += 1;
      ring.resolve();
    });
    watch.arm(EPOLLIN);
    linux.write(fd, ONE);
    await ring.promise;
    await sleep(20);
    assert.equal(rings, 1, "still readable, and rung once");
    ring = Promise.withResolvers();
    watch.arm(EPOLLIN);
    await ring.promise;
    assert.equal(rings, 2);
    await watch.close();
    linux.close(fd);
  });

  it("is one worker for all that a thread watches, and leaves no thread and no descriptor behind", async () => {
    const fds = Array.from({ length: 3 }, () => linux.eventfd(0, EFD_CLOEXEC));
    const descriptors = openDescriptors();
    const threadsBefore = threads();
    for (let round = 0; round < 3; round += 1) {
      const rung = new Set<number>();
      const all = Promise.withResolvers<void>();
      const watches = fds.map((fd) =>
        watchDescriptor(fd, () => {
          rung.add(fd);
          if (rung.size === fds.length) all.resolve();
        }),
      );
      for (const watch of watches) watch.arm(EPOLLIN);
      for (const fd of fds) linux.write(fd, ONE);
      await all.promise;
      assert.equal(threads(), threadsBefore + 1);
      for (const watch of watches) await watch.close();
      assert.equal(threads(), threadsBefore);
      assert.deepEqual(openDescriptors(), descriptors);
    }
    for (const fd of fds) linux.close(fd);
  });

  it("is the same worker for watches that follow one another in one turn of the event loop", async () => {
    const fd = linux.eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    const descriptors = openDescriptors();
    const threadsBefore = threads();
    const closed: Promise<void>[] = [];
    for (let round = 0; round < 20; round += 1) {
      const watch = watchDescriptor(fd, () => assert.fail("it rang"));
      watch.arm(EPOLLIN);
      closed.push(watch.close());
    }
    assert.ok(threads() <= threadsBefore + 1);
    // One that stays keeps it, and works.
    const ring = Promise.withResolvers<void>();
    const last = watchDescriptor(fd, () => ring.resolve());
    await Promise.all(closed);
    last.arm(EPOLLIN);
    linux.write(fd, ONE);
    await ring.promise;
    await Promise.all([last.close(), last.close()]);
    assert.equal(threads(), threadsBefore);
    assert.deepEqual(openDescriptors(), descriptors);
    linux.close(fd);
  });

  it("does not ring any more after close, whatever was on its way", async () => {
    const fd = linux.eventfd(1, EFD_CLOEXEC);
    const watch = watchDescriptor(fd, () => assert.fail("it rang"));
    watch.arm(EPOLLIN);
    await watch.close();
    await watch.close();
    watch.arm(EPOLLIN);
    linux.close(fd);
    await sleep(20);
  });

  for (const milliseconds of [0, 50, 500]) {
    it(`lets a process exit ${milliseconds} ms after it began to watch, and forgot to close`, () => {
      exitAfter(milliseconds);
    });
  }
});

function exitAfter(milliseconds: number): void {
  const module = JSON.stringify(new URL("./doorbell.ts", import.meta.url).href);
  const script = `
      const { watchDescriptor } = await import(${module});
      watchDescriptor(0, () => {}).arm(1);
      process.on("exit", () => console.log("exit"));
      setTimeout(() => process.exit(3), Number(process.argv[1]));`;
  const run = spawnSync(process.execPath, ["--input-type=module", "-e", script, String(milliseconds)], {
    encoding: "utf8",
    timeout: 20_000,
    stdio: ["pipe", "pipe", "inherit"],
    input: "",
  });
  assert.equal(run.status, 3);
  assert.equal(run.stdout, "exit\n");
}
