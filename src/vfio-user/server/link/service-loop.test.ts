import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { afterEach, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { MSG_DONTWAIT, POLLIN, POLLOUT, SOCK_CLOEXEC, SOCK_STREAM } from "../../../system/constants.ts";
import { linux } from "../../../system/libc.ts";
import { serve, type Service, type Serving } from "./service-loop.ts";

/** The services of a test: closed after it, failed or not. */
const takers = new Set<ByteTaker>();
afterEach(async () => {
  for (const taker of takers) await taker.close();
  takers.clear();
});

/** A service that takes one byte per turn and tells of it. */
class ByteTaker implements Service {
  readonly fd: number;
  readonly far: number;
  readonly serving: Serving;
  wanted = POLLIN;
  readonly #onByte: (taker: ByteTaker) => void;

  constructor(onByte: (taker: ByteTaker) => void) {
    const [near, far] = linux.socketpair(SOCK_STREAM | SOCK_CLOEXEC);
    this.fd = near;
    this.far = far;
    this.#onByte = onByte;
    this.serving = serve(this);
    takers.add(this);
  }

  wants(): number {
    return this.wanted;
  }

  serve(): void {
    linux.recv(this.fd, new Uint8Array(1), MSG_DONTWAIT);
    this.#onByte(this);
  }

  async close(): Promise<void> {
    await this.serving.close();
    linux.close(this.fd);
    linux.close(this.far);
  }
}

/** How often each thread of this process has gone to sleep. */
function sleeps(): number {
  return readdirSync("/proc/self/task")
    .map((id) => readFileSync(`/proc/self/task/${id}/status`, "utf8"))
    .map((status) => Number(/^voluntary_ctxt_switches:\s+(\d+)$/m.exec(status)?.[1] ?? 0))
    .reduce((sum, count) => sum + count, 0);
}

describe("the service loop", () => {
  it("gives each of ten busy sockets its turn", async () => {
    const served: ByteTaker[] = [];
    const all = Promise.withResolvers<void>();
    const ten = Array.from(
      { length: 10 },
      () =>
        new ByteTaker((taker) => {
          served.push(taker);
          if (served.length === 1000) all.resolve();
        }),
    );
    for (const { far } of ten) linux.send(far, new Uint8Array(100), 0);
    await all.promise;
    // All were ready before the first turn, but they ring in the order in which they were watched.
    const late = served.slice(200);
    for (let start = 0; start + 10 <= late.length; start += 10) {
      const round = new Set(late.slice(start, start + 10));
      assert.equal(round.size, 10, "nobody is served twice before all are served once");
    }
  });

  it("leaves timers their turn while a socket is never idle", async () => {
    let bytes = 0;
    const first = Promise.withResolvers<void>();
    const taker = new ByteTaker(({ far }) => {
      bytes += 1;
      first.resolve();
      linux.send(far, new Uint8Array(1), 0);
    });
    linux.send(taker.far, new Uint8Array(1), 0);
    await first.promise;
    const before = bytes;
    for (let timers = 0; timers < 20; timers += 1) await sleep(1);
    assert.ok(bytes - before >= 20, `${bytes - before} turns`);
  });

  it("does not touch a service that wants nothing, until it is woken", async () => {
    const first = Promise.withResolvers<void>();
    let turns = 0;
    const taker = new ByteTaker((self) => {
      turns += 1;
      self.wanted = 0;
      first.resolve();
    });
    linux.send(taker.far, new Uint8Array(5), 0);
    await first.promise;
    await sleep(20);
    assert.equal(turns, 1);
    taker.wanted = POLLIN | POLLOUT;
    taker.serving.wake();
    await sleep(20);
    assert.equal(turns, 2);
    await taker.serving.close();
    taker.serving.wake();
    await sleep(20);
    assert.equal(turns, 2, "closed");
  });

  it("sleeps when nobody asks for anything", async () => {
    const first = Promise.withResolvers<void>();
    const ten = Array.from({ length: 10 }, () => new ByteTaker(() => first.resolve()));
    for (const { far } of ten.slice(0, 1)) linux.send(far, new Uint8Array(1), 0);
    await first.promise;
    await sleep(50);
    const before = sleeps();
    await sleep(500);
    const woken = sleeps() - before;
    assert.ok(woken <= 10, `${woken} times awake in half a second`);
  });
});
