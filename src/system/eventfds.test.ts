/** What would wait for ever if a peer's flags were trusted; where it does, the worker that tries does not come back. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { EFD_CLOEXEC, POLLIN } from "./constants.ts";
import { signalByWriting, signalEventfd } from "./eventfd-signals.ts";
import { take } from "./eventfds.ts";
import { linux } from "./libc.ts";

/** As a peer leaves it: it waits. */
function blockingEventfd(t: { after(fn: () => void): void }): number {
  const fd = linux.eventfd(0, EFD_CLOEXEC);
  t.after(() => linux.close(fd));
  return fd;
}

describe("an eventfd that waits, for a peer has cleared O_NONBLOCK", () => {
  it("is read without waiting", (t) => {
    const fd = blockingEventfd(t);
    assert.equal(take(fd), 0);
    linux.write(fd, new Uint8Array(new BigUint64Array([3n]).buffer));
    assert.equal(take(fd), 3);
    assert.equal(take(fd), 0);
  });

  it("is signalled without waiting, be its counter full", (t) => {
    const fd = blockingEventfd(t);
    for (let time = 0; time < 1000; time += 1) signalEventfd(fd);
    assert.equal(take(fd), 1000);
    linux.write(fd, new Uint8Array(new BigUint64Array([2n ** 64n - 2n]).buffer));
    signalEventfd(fd);
    signalByWriting(fd);
    assert.equal(linux.poll([{ fd, events: POLLIN, revents: 0 }], 0), 1);
    assert.ok(take(fd) >= 2 ** 64 - 2048);
    signalByWriting(fd);
    assert.equal(take(fd), 1);
  });

  it("is told from what is none", (t) => {
    const [near, far] = linux.socketpair(1);
    t.after(() => {
      linux.close(near);
      linux.close(far);
    });
    assert.throws(() => signalEventfd(near), { code: "EINVAL" });
  });
});
